// First: it expects that no API key was ever made.
import './flows.js';
import './standard-clients.js';
import './cors.js';
import './attacks.js';
import './logins.js';
import './interactions.js';
// Last: it rotates the signing keys.
import './accounts.js';
