import './event-stream.js';
import './long-poll.js';
