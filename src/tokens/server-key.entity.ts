export { SigningKey as ServerKey } from './signing-key.entity.js';
