// The one release of kafkajs whose inner modules are relied on; no other is let through.
import { TidemarkError } from '@tidemark/base'

export const KAFKAJS_VERSION = '2.2.4'

/** `LOG_CLIENT_VERSION` for any other release: every guard of this room was tried against this one. */
export const checkKafkajsVersion = (found: string): void => {
  if (found === KAFKAJS_VERSION) return
  throw new TidemarkError(`kafkajs ${found} is installed, Tidemark is built on the inner modules of ${KAFKAJS_VERSION}`, {
    code: 'LOG_CLIENT_VERSION', blame: 'environment', action: 'exit', hint: `Install kafkajs ${KAFKAJS_VERSION} exactly.`, details: { found, wanted: KAFKAJS_VERSION },
  })
}
