import './records.js';
import './items.js';
import './sizes.js';
import './subscribers.js';
import './readme.js';
// Last: its changes reach followers in the background, and the tests above compare whole tables.
import './followers.js';
