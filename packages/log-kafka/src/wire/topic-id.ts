// Which topic bears a name now: the id that Kafka gives each topic it makes, by Metadata v10, which kafkajs does not speak.
import { Encoder } from '../kafkajs.ts'
import type { WireCall, WireEncoder } from '../kafkajs.ts'
import { METADATA_WITH_IDS } from './api.ts'

interface TopicIdAnswer {
  readonly clientSideThrottleTime: number
  /** Undefined: there is no such topic, or it is not for us. */
  readonly id: string | undefined
}

/** Compact forms of a flexible version: lengths are varints, one more than they say; structures end with their tags, of which there are none. */
const encode = (topic: string): WireEncoder => {
  const name = Buffer.from(topic)
  const length = name.length + 1
  const varint = length < 128 ? [length] : [(length & 127) | 128, length >> 7]
  return new Encoder(name.length + 64).writeBuffer(Buffer.concat([
    Buffer.from([0 /* tags of the header */, 2 /* one topic */]), Buffer.alloc(16) /* by name, not by id */, Buffer.from(varint), name,
    Buffer.from([0 /* tags */, 0 /* never create it */, 0, 0 /* no rights asked for */, 0 /* tags */]),
  ]))
}

const decode = (raw: Buffer): TopicIdAnswer => {
  let at = 0
  const varint = (): number => {
    for (let [value, shift] = [0, 0]; ; shift += 7) {
      const byte = raw.readUInt8(at)
      at += 1
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const int32 = (): number => { at += 4; return raw.readInt32BE(at - 4) }
  const skip = (bytes: number): void => { at += Math.max(0, bytes) }
  const text = (): void => skip(varint() - 1)
  const tags = (): void => {
    for (let count = varint(); count > 0; count -= 1) {
      varint()
      skip(varint())
    }
  }
  tags()
  const clientSideThrottleTime = int32()
  for (let brokers = varint() - 1; brokers > 0; brokers -= 1) {
    int32()
    text()
    int32()
    text()
    tags()
  }
  text()
  int32()
  if (varint() - 1 < 1) return { clientSideThrottleTime, id: undefined }
  at += 2
  const errorCode = raw.readInt16BE(at - 2)
  text()
  return { clientSideThrottleTime, id: errorCode === 0 ? raw.toString('hex', at, at + 16) : undefined }
}

export const topicIdCall = (topic: string): WireCall<TopicIdAnswer> =>
  ({ request: { ...METADATA_WITH_IDS, encode: async () => encode(topic) }, response: { decode: async (raw) => decode(raw), parse: (answer) => answer }, logResponseError: false })
