import { attacksOf, type Target } from './attacks.js';

/** A process of its own: the attacker must not slow down the clock of the victim. It runs until it is killed. */
const { target, name } = JSON.parse(process.argv[2]) as { target: Target; name: string };
attacksOf(target)[name]();
