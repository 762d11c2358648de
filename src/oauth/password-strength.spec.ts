import { expect, it } from '@jest/globals';
import { isWeak } from './password-strength.js';

it.each([
  'password1234',
  'P@ssw0rd!2026',
  'qwertyuiop12',
  '123456789012',
  'aaaaaaaaaaaaaaaa',
  'abc123abc123',
  'letmeinletmein',
  'iloveyou1234',
  'drowssap1234',
  'Massachusetts1',
  'international2026',
  'password'.repeat(25),
])('a common password, or a variation of one, is weak: %s', async (password) => {
  expect(await isWeak(password, ['dev-1'])).toBe(true);
});

it.each([
  ['planner-inc', 'planner-inc-2026'],
  ['planner-inc', 'PlannerInc2026!!'],
  ['planner-inc', 'cni-rennalp-1'],
  ['dev-789', 'dev-789-dev-789'],
  ['an.odd+name@example.com', 'an.odd+name@example.com'],
  ['dev-1', 'Tidemark-2026!'],
  ['dev-1', 'mytidemarkpassword'],
])('the name of the account or the service, varied, is weak: %s, %s', async (name, password) => {
  expect(await isWeak(password, [name])).toBe(true);
});

it.each([
  'correct horse battery staple',
  'kx7fq2mz9wpt',
  'my dog eats 9 socks',
  'Zwölf rote Äpfel',
  '长密码需要很多字符才安全',
])('any other password is not: %s', async (password) => {
  expect(await isWeak(password, ['dev-1'])).toBe(false);
});
