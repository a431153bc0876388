// The smallest subscriber in JavaScript: npm install zeromq; node subscribe.mjs tcp://127.0.0.1:5556
const BYTES = { uint8: 1, uint16: 2, float16: 2, float32: 4 };

/** [topic, header, part ...] -> {header, parts: {name: {dtype, shape, data}}}; throws if it breaks the protocol. */
export function decode(message) {
  const header = JSON.parse(message[1].toString());
  if (header.streamfuse !== 1) throw new Error(`version ${header.streamfuse} of the protocol, not 1`);
  const payload = message.length === 3 ? message[2] : Buffer.concat(message.slice(2)); // the parts may come joined
  const parts = {};
  let place = 0;
  for (const { name, dtype, shape } of header.parts ?? []) {
    const bytes = shape.reduce((a, b) => a * b, 1) * BYTES[dtype];
    parts[name] = { dtype, shape, data: payload.subarray(place, (place += bytes)) };
  }
  if (place !== payload.length) throw new Error(`${payload.length} bytes of payload, not ${place}`);
  return { header, parts };
}

if (process.argv[1]?.endsWith("subscribe.mjs") && process.argv[2]) {
  const { Subscriber } = await import("zeromq");
  const socket = new Subscriber({ receiveHighWaterMark: 2 });
  socket.connect(process.argv[2]);
  socket.subscribe("");
  for await (const message of socket) {
    const { header, parts } = decode(message);
    if (header.kind === "end") break;
    if (header.kind === "frame") console.log(header.seq, header.pixel_format, Object.values(parts).map((p) => p.shape));
  }
}
