export { SigningKeysService as ServerKeysService } from './signing-keys.service.js';
