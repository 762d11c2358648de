import './api-keys.js';
import './own-api-keys.js';
import './api-clients.js';
import './developers.js';
