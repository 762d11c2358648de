import './sync-feed.js';
import './compact.js';
import './collections.js';
