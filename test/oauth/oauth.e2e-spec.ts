// First: it expects that no API key was ever made.
import './flows.js';
import './attacks.js';
// Last: it rotates the signing keys.
import './accounts.js';
