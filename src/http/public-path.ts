import { config } from '../config.js';

/** A path as browsers request it: with the path of PUBLIC_URL, which a proxy may strip. */
export const publicPath = (path: string) => new URL(config.PUBLIC_URL).pathname.replace(/\/$/, '') + path;
