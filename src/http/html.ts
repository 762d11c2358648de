/** Text that is HTML already. */
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

type Value = string | Html | Html[] | undefined;

/**
 * XSS: a template whose values are escaped for text and for quoted attributes, unless they are `Html`.
 * Undefined renders as nothing.
 */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  const texts = values.map((value) => {
    if (value === undefined) return '';
    if (typeof value === 'string') return value.replace(/[&<>"']/g, (character) => ESCAPES[character]);
    return Array.isArray(value) ? value.map(({ text }) => text).join('') : value.text;
  });
  return new Html(String.raw({ raw: strings }, ...texts));
}
