import './sync-feed.js';
import './compact.js';
import './digest.js';
import './collections.js';
