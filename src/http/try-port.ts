import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/**
 * Listens for a moment.
 *
 * @param port 0: the system chooses
 * @returns the port
 * @throws Error with one line, if the address cannot be had
 */
export async function tryPort(port: number, host: string): Promise<number> {
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EADDRINUSE'
        ? 'is in use by another process; PORT sets another one'
        : `cannot be had: ${message}`;
    throw new Error(`port ${port} of ${host} ${reason}`, { cause: error });
  }
  const { port: taken } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return taken;
}
