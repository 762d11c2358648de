/** HTML that needs no escaping any more. */
export class Html {
  constructor(readonly text: string) {}
}

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** HTML with values in it, in texts or in quoted attributes: escaped, unless they are HTML themselves; undefined is nothing. */
export function html(strings: TemplateStringsArray, ...values: (string | Html | Html[] | undefined)[]): Html {
  const texts = values.map((value) => {
    if (value === undefined) return '';
    if (typeof value === 'string') return value.replace(/[&<>"']/g, (character) => ESCAPES[character]);
    return Array.isArray(value) ? value.map(({ text }) => text).join('') : value.text;
  });
  return new Html(String.raw({ raw: strings }, ...texts));
}
