// `npm run check:metrics`: promtool checks the alert rules and their unit tests, the queries of the dashboard,
// and the metrics of a server that runs. Needs promtool (Debian package `prometheus`).
/* global fetch */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.mjs';
import { ensureBuilt } from './prepare.mjs';

await ensureBuilt();
const directory = mkdtempSync(join(tmpdir(), 'tidemark-metrics-'));
let server;

function promtool(args, input) {
  const { status, error } = spawnSync('promtool', args, {
    input,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'inherit', 'inherit'],
  });
  if (error) throw new Error(`promtool: ${error.message} (apt-get install prometheus)`);
  if (status !== 0) throw new Error(`promtool ${args.join(' ')} failed`);
}

/** The queries of the dashboard, with values for its variables, as rules that promtool can parse. */
function dashboardRules() {
  const { panels } = JSON.parse(readFileSync('ops/grafana-dashboard.json', 'utf8'));
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const rules = queries.map((expr, i) => ({
    record: `dashboard:query_${i}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replace(/\$(job|instance)/g, 'x'),
  }));
  // JSON is YAML, too.
  return JSON.stringify({ groups: [{ name: 'dashboard', rules }] });
}

async function scrape() {
  const [PORT, METRICS_PORT] = [await freePort(), await freePort()];
  server = spawn(process.execPath, ['dist/src/main.js'], {
    env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT, METRICS_PORT, DATA_DIR: join(directory, 'data') },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const get = (url) => fetch(url).catch(() => undefined);
  while (!(await get(`http://127.0.0.1:${PORT}/health/ready`))?.ok) {
    if (server.exitCode !== null) throw new Error('the server has exited');
    await sleep(100);
  }
  // One request that finds a route, and one that does not.
  await get(`http://127.0.0.1:${PORT}/none`);
  return (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
}

try {
  promtool(['check', 'rules', 'ops/alerts.yml']);
  promtool(['test', 'rules', 'ops/alerts.test.yml']);
  const rules = join(directory, 'dashboard.json');
  writeFileSync(rules, dashboardRules());
  promtool(['check', 'rules', rules]);
  promtool(['check', 'metrics'], await scrape());
  console.log('The metrics of a server follow the conventions of Prometheus.');
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  if (server?.exitCode === null) {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
}
