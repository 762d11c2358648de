/** Metrics of a server, as Prometheus reads them. */
export class Scrape {
  private constructor(readonly text: string) {}

  /** @param port METRICS_PORT */
  static async of(port: number): Promise<Scrape> {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    if (response.status !== 200) throw new Error(`no metrics: ${response.status}`);
    return new Scrape(await response.text());
  }

  /** Names of the samples, and their labels as text. */
  get series(): { name: string; labels: string; value: number }[] {
    return [...this.text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({
      name,
      labels,
      value: Number(value),
    }));
  }

  get names(): Set<string> {
    return new Set(this.series.map(({ name }) => name));
  }

  /** Sum of the series with these labels; undefined: there is none. */
  value(name: string, labels: Record<string, string> = {}): number | undefined {
    const found = this.series.filter(
      (each) =>
        each.name === name &&
        Object.entries(labels).every(([key, value]) => `,${each.labels},`.includes(`,${key}="${value}",`)),
    );
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }
}
