// How Kafka and an object store are reached that want to know by whom, or not in the clear: the settings, and what the adapters are given of them.
import { readFileSync } from 'node:fs'
import { setting } from './settings.ts'
import type { Settings, SettingSpec } from './settings.ts'

const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
const CERTIFICATE = '-----BEGIN CERTIFICATE-----'
const TLS_WANTED = 'true, false, or the path of a file of CA certificates (PEM) is wanted'

const certificates = (path: string): string => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RangeError(`${TLS_WANTED}; this file can't be read: ${typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)}`)
  }
  // Node takes any file, and trusts nobody by it.
  if (!text.includes(CERTIFICATE)) throw new RangeError(`${TLS_WANTED}; there is no ${CERTIFICATE} in this file`)
  return text
}

const TLS: SettingSpec<string | undefined> = {
  env: 'TIDEMARK_KAFKA_TLS', fallback: undefined, about: 'TLS to Kafka: true, or the path of a file of CA certificates (PEM) to trust instead of the usual ones. Default: false',
  parse: (text) => {
    if (text === 'false') return undefined
    if (text.trim() === '') throw new RangeError(TLS_WANTED)
    return text
  },
}

export const ACCESS_SETTINGS = {
  kafkaTls: TLS,
  kafkaSasl: setting.matching('TIDEMARK_KAFKA_SASL', undefined, new RegExp(`^(?:${MECHANISMS.join('|')})$`), `one of ${MECHANISMS.join(', ')}`, `How TIDEMARK_KAFKA_USER is shown to Kafka (SASL): ${MECHANISMS.join(', ')}. Default: not at all`),
  kafkaUser: setting.text('TIDEMARK_KAFKA_USER', '', 'User of Kafka, with TIDEMARK_KAFKA_SASL.'),
  kafkaPassword: { ...setting.text('TIDEMARK_KAFKA_PASSWORD', '', 'Password of that user.'), secret: true },
  s3Region: setting.matching('TIDEMARK_S3_REGION', 'us-east-1', /^[a-z0-9-]+$/, 'the name of a region', "Region of the bucket: AWS wants the bucket's own, MinIO takes the default. Default: us-east-1"),
} as const

export type AccessSettings = Settings<typeof ACCESS_SETTINGS>

const tlsProblem = (kafkaTls: string): string[] => {
  try {
    certificates(kafkaTls)
    return []
  } catch (error) {
    return [`TIDEMARK_KAFKA_TLS = ${JSON.stringify(kafkaTls)}: ${error instanceof Error ? error.message : String(error)}`]
  }
}

/** For who opens Kafka: what is missing or does not go together; sentences that name the settings. Elsewhere they may be half there: a password that only the servers have. */
export const checkAccess = ({ kafkaTls, kafkaSasl, kafkaUser, kafkaPassword }: AccessSettings): string[] => {
  const given = [['TIDEMARK_KAFKA_USER', kafkaUser], ['TIDEMARK_KAFKA_PASSWORD', kafkaPassword]] as const
  const tls = kafkaTls === undefined || kafkaTls === 'true' ? [] : tlsProblem(kafkaTls)
  return [...tls, ...given.flatMap(([name, value]) => {
    if (kafkaSasl !== undefined && value === '') return [`TIDEMARK_KAFKA_SASL (${kafkaSasl}) needs ${name}`]
    return kafkaSasl === undefined && value !== '' ? [`${name} is not used without TIDEMARK_KAFKA_SASL: one of ${MECHANISMS.join(', ')}`] : []
  })]
}

/** Options of the log on Kafka. */
export const kafkaAccess = ({ kafkaTls, kafkaSasl, kafkaUser, kafkaPassword }: AccessSettings): { readonly tls?: object, readonly sasl?: object } => ({
  ...kafkaTls === undefined ? {} : { tls: kafkaTls === 'true' ? {} : { ca: certificates(kafkaTls) } },
  ...kafkaSasl === undefined ? {} : { sasl: { mechanism: kafkaSasl, username: kafkaUser, password: kafkaPassword } },
})
