import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const A = 1;
const AAAA = 28;

/** The 4 or 16 bytes of an IP address. */
function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [head, tail = ''] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
  return Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/**
 * A DNS server on loopback. It calls `answer` for every query, so a test can change the addresses between
 * two.
 */
export class DnsServer {
  /** All queries, such as `app.example.com AAAA`. */
  readonly asked: string[] = [];
  /** The addresses of a name; empty for NXDOMAIN. */
  answer: (name: string) => string[] = () => [];

  private constructor(private readonly socket: Socket) {
    socket.on('message', (query, { port, address }) => socket.send(this.respond(query), port, address));
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4');
    await once(socket.bind(0, '127.0.0.1'), 'listening');
    return new DnsServer(socket);
  }

  /** For `dns.setServers`. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  /** RFC 1035, section 4: repeats the question, with one answer for each address of the queried type. */
  private respond(query: Buffer): Buffer {
    const labels: string[] = [];
    let end = 12;
    for (; query[end] > 0; end += query[end] + 1)
      labels.push(query.toString('latin1', end + 1, end + 1 + query[end]));
    const type = query.readUInt16BE(end + 1);
    const question = query.subarray(12, end + 5);
    const name = labels.join('.').toLowerCase();
    const addresses = this.answer(name);
    this.asked.push(`${name} ${type === A ? 'A' : type === AAAA ? 'AAAA' : type}`);
    const answers = addresses
      .map(bytesOf)
      .filter(({ length }) => length === (type === A ? 4 : type === AAAA ? 16 : 0))
      .map((bytes) => {
        const record = Buffer.alloc(12);
        record.writeUInt16BE(0xc00c, 0);
        record.writeUInt16BE(type, 2);
        record.writeUInt16BE(1, 4);
        record.writeUInt16BE(bytes.length, 10);
        return Buffer.concat([record, bytes]);
      });
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    // Flags: response, recursion desired and available; response code 3 is NXDOMAIN.
    header.writeUInt16BE(addresses.length > 0 ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    return Buffer.concat([header, question, ...answers]);
  }

  close(): void {
    this.socket.close();
  }
}
