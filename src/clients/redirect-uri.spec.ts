import { expect, it } from '@jest/globals';
import { isRedirectUri } from './redirect-uri.js';

it.each([
  'https://app.example.com',
  'https://app.example.com/',
  'https://app.example.com:8443/oauth/callback?tenant=a%20b',
  'http://127.0.0.1/callback',
  'http://127.0.0.1:8080/callback',
  'http://[::1]:8080/callback',
  'http://localhost:8080/callback',
  'com.example.app:/callback',
  'com.example.app://callback',
  'com.example.my-app:/oauth2redirect?x=1',
])('takes %s', (uri) => {
  expect(isRedirectUri(uri)).toBe(true);
});

it.each<[string, unknown]>([
  ['plain http', 'http://app.example.com/callback'],
  ['a host that only starts like this machine', 'http://127.0.0.1.example.com/'],
  ['another host behind the name of this machine', 'http://localhost@example.com/'],
  ['another address', 'http://127.0.0.2/'],
  ['a fragment', 'https://app.example.com/#token'],
  ['an empty fragment', 'https://app.example.com/#'],
  ['a wildcard host', 'https://*.example.com/callback'],
  ['a wildcard path', 'https://app.example.com/*'],
  ['credentials', 'https://user:secret@app.example.com/'],
  ['a user', 'https://user@app.example.com/'],
  ['a backslash', 'https://app.example.com\\@evil.example.com/'],
  ['no slashes', 'https:app.example.com'],
  ['no host', 'https:///callback'],
  ['javascript:', 'javascript:alert(1)'],
  ['javascript: in capitals', 'JavaScript:alert(1)//a.b:c'],
  ['data:', 'data:text/html,x'],
  ['vbscript:', 'vbscript:x'],
  ['file:', 'file:///etc/passwd'],
  ['blob:', 'blob:https://app.example.com/1'],
  ['a scheme without a dot', 'myapp:/callback'],
  ['a scheme that ends with a dot', 'com.:/callback'],
  ['a relative one', '/callback'],
  ['one without a scheme', '//app.example.com/callback'],
  ['a space', 'https://app.example.com/a b'],
  ['a space before it', ' https://app.example.com/'],
  ['a line break after it', 'https://app.example.com/\n'],
  ['a letter outside ASCII', 'https://äpp.example.com/'],
  ['a port that does not exist', 'https://app.example.com:99999/'],
  ['nothing', ''],
  ['2,001 characters', `https://app.example.com/${'x'.repeat(1_977)}`],
  ['a number', 7],
  ['null', null],
  ['a list', ['https://app.example.com/']],
])('refuses %s', (_name, uri) => {
  expect(isRedirectUri(uri)).toBe(false);
});
