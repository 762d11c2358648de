import { prettyFactory } from 'pino-pretty';

/** What a line about a request says in its message. */
const IN_MESSAGE = ['method', 'path', 'status', 'ms', 'reqId'];

/** Log lines for people: the time of day, the level, and a short message; further fields follow as JSON. */
const format = prettyFactory({
  colorize: process.stdout.hasColors?.() ?? false,
  translateTime: 'SYS:HH:MM:ss.l',
  ignore: ['pid', 'hostname', ...IN_MESSAGE].join(),
  singleLine: true,
  messageFormat: ({ msg, method, path, status, ms, reqId }) => {
    if (msg === 'request') return `${method} ${path} ${status} ${ms} ms`;
    return reqId === undefined ? String(msg) : `${msg} (request ${reqId})`;
  },
});

/** A destination of pino. Writes to a terminal are synchronous: nothing is lost at the end of the process. */
export const terminalLog = { write: (line: string) => void process.stdout.write(format(line)) };
