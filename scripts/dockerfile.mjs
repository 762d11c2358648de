// `npm run check:docker`: lints the Dockerfile, and takes its steps without a container engine. Each stage is a
// directory; RUN, CMD and HEALTHCHECK run as the user of the image. In the end the server must be healthy, must
// stop cleanly, and must have written nothing that other users can read.
//
// It knows the instructions that the Dockerfile has. Paths below its WORKDIR are those of the stage.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseEnv } from 'node:util';
import { freePort } from './free-port.mjs';
import { ensureInstalled } from './prepare.mjs';

await ensureInstalled({ forDevelopers: true });
const { validate } = await import('dockerfile-utils');

const text = readFileSync('Dockerfile', 'utf8');
const isRoot = process.getuid() === 0;
const work = mkdtempSync(join(tmpdir(), 'tidemark-docker-'));
chmodSync(work, 0o755);

function fail(message) {
  throw new Error(message);
}

/** Instructions, with the lines of each joined. */
const instructions = text
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter(Boolean)
  .map((line) => /^(\w+) (.*)$/.exec(line).slice(1));

/** What the build may see, by .dockerignore: it excludes all, and then lists files and folders. */
const context = readFileSync('.dockerignore', 'utf8').match(/(?<=^!).+$/gm);

function lint() {
  const problems = validate(text).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`);
  if (problems.length > 0) fail(`Dockerfile: ${problems.join('; ')}`);
  const last = (name) => instructions.findLast(([instruction]) => instruction === name)?.[1];
  if (!/^[1-9]\d*$/.test(last('USER'))) fail('Dockerfile: USER must be a number, and not that of root');
  if (!last('HEALTHCHECK')) fail('Dockerfile: HEALTHCHECK is missing');
}

/** A stage: the directory of its files, its WORKDIR, environment and user. */
const stages = [];
let stage;

const STEPS = {
  FROM: (args) => {
    const [, image, , name] = /^(\S+)( AS (\S+))?$/.exec(args);
    if (!/^node:\d/.test(image)) fail(`FROM ${image}: not an image of Node.js`);
    const directory = join(work, `${stages.length}`);
    mkdirSync(directory);
    stage = { name, directory, cwd: '/', env: {}, user: 0 };
    stages.push(stage);
  },
  WORKDIR: (path) => {
    stage.cwd = path;
    mkdirSync(inStage(path), { recursive: true });
  },
  COPY: (args) => {
    const [, , name, paths] = /^(--from=(\S+) )?(.+)$/.exec(args);
    const [target, ...sources] = paths.split(' ').reverse();
    const to = inStage(target);
    for (const source of sources) {
      if (!name && !context.includes(source)) fail(`COPY ${source}: not in .dockerignore`);
      const from = name
        ? inStage(
            source,
            stages.find((other) => other.name === name),
          )
        : source;
      cpSync(from, target.endsWith('/') ? join(to, source) : to, { recursive: true, verbatimSymlinks: true });
    }
  },
  RUN: (command) => {
    const user = isRoot ? '$1' : process.getuid();
    execute(['sh', '-c', command.replace(/(?<=-o )(\d+)/, user)], { stdio: 'inherit' });
  },
  // The format of a file of variables, if no value has a blank.
  ENV: (args) => Object.assign(stage.env, parseEnv(args.replaceAll(' ', '\n'))),
  USER: (user) => (stage.user = Number(user)),
  VOLUME: (path) => existsSync(inStage(path)) || fail(`VOLUME ${path} does not exist`),
  EXPOSE: () => {},
  HEALTHCHECK: (args) => (stage.healthcheck = JSON.parse(args.slice(args.indexOf('CMD ') + 4))),
  CMD: (args) => (stage.command = JSON.parse(args)),
};

/** The path of this machine for an absolute path of a stage, or one below its WORKDIR. */
function inStage(path, { directory, cwd } = stage) {
  return join(directory, path.startsWith('/') ? path : join(cwd, path));
}

/** Program and options for the user, directory and environment of the stage. */
function inContainer([program, ...args], env = {}) {
  const paths = Object.entries(stage.env).map(([name, value]) => [
    name,
    value.startsWith(stage.cwd) ? inStage(value) : value,
  ]);
  const user = ['setpriv', `--reuid=${stage.user}`, `--regid=${stage.user}`, '--clear-groups'];
  const [file, ...rest] = [...(isRoot && stage.user > 0 ? user : []), program, ...args];
  const { PATH, HOME } = process.env;
  return [file, rest, { cwd: inStage('.'), env: { PATH, HOME, ...Object.fromEntries(paths), ...env } }];
}

function execute(command, options) {
  const [file, args, rest] = inContainer(command);
  execFileSync(file, args, { ...rest, ...options });
}

async function serve() {
  // As `docker run --env` sets them.
  const env = { HOST: '127.0.0.1', PORT: `${await freePort()}` };
  const [file, args, options] = inContainer(stage.command, env);
  const server = spawn(file, args, { ...options, stdio: 'inherit' });
  const exited = new Promise((resolve) => server.once('exit', resolve));
  let code;
  void exited.then((value) => (code = value ?? -1));
  const isHealthy = () => {
    const [program, rest, settings] = inContainer(stage.healthcheck, env);
    return spawnSync(program, rest, settings).status === 0;
  };
  try {
    while (!isHealthy()) {
      await sleep(500);
      if (code !== undefined) fail(`the server exited with ${code}`);
    }
  } finally {
    server.kill('SIGTERM');
    await exited;
  }
  if (code !== 0) fail(`after SIGTERM the server exited with ${code}`);
  if (isHealthy()) fail('HEALTHCHECK succeeds without a server');
}

function verifyFiles() {
  const data = inStage(stage.env.DATA_DIR);
  for (const name of ['.', ...readdirSync(data)]) {
    const { mode, uid } = statSync(join(data, name));
    if (isRoot && uid !== stage.user) fail(`${name} of DATA_DIR belongs to user ${uid}`);
    if (name !== 'lock' && (mode & 0o077) !== 0) fail(`other users can read ${name} of DATA_DIR`);
  }
  for (const secret of ['.env', '.data', 'src', 'node_modules/jest'])
    if (existsSync(inStage(secret))) fail(`the image has ${secret}`);
}

try {
  lint();
  for (const [instruction, args] of instructions) {
    console.log(`${instruction} ${args}`);
    (STEPS[instruction] ?? fail(`this check does not know ${instruction}`))(args);
  }
  await serve();
  verifyFiles();
  console.log(`\nThe image serves, as user ${isRoot ? stage.user : process.getuid()}.`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
