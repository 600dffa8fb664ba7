// Access to Kafka and the object store: what is taken, every mistake at once, and what the adapters get of it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import { ACCESS_SETTINGS, checkAccess, kafkaAccess } from './access-settings.ts'
import { readSettings } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidemark-access-'))
const [ca, noCa] = [join(folder, 'ca.pem'), join(folder, 'notes.txt')]
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
writeFileSync(ca, PEM)
writeFileSync(noCa, 'no certificate')
afterAll(() => rmSync(folder, { recursive: true }))

const read = (env: Readonly<Record<string, string>>) => readSettings(ACCESS_SETTINGS, {}, env, checkAccess)
const problems = (env: Readonly<Record<string, string>>): unknown => {
  try {
    read(env)
  } catch (error) {
    return (error as { readonly details?: { readonly problems?: unknown } }).details?.problems
  }
  throw new Error('it was taken')
}
const USER = { TIDEMARK_KAFKA_USER: 'me', TIDEMARK_KAFKA_PASSWORD: 'p@ss word' }

describe('access', () => {
  test('nothing given → in the clear, as nobody, the region that MinIO takes', () => {
    expect([kafkaAccess(read({})), read({}).s3Region]).toEqual([{}, 'us-east-1'])
    expect(kafkaAccess(read({ TIDEMARK_KAFKA_TLS: 'false' }))).toEqual({})
  })

  test('TLS, by the usual certificates or by a file of them → what the log takes', () => {
    expect(kafkaAccess(read({ TIDEMARK_KAFKA_TLS: 'true' }))).toEqual({ tls: {} })
    expect(kafkaAccess(read({ TIDEMARK_KAFKA_TLS: ca }))).toEqual({ tls: { ca: PEM } })
  })

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'])('a user by %s → what the log takes', (mechanism) => {
    expect(kafkaAccess(read({ TIDEMARK_KAFKA_SASL: mechanism, ...USER }))).toEqual({ sasl: { mechanism, username: 'me', password: 'p@ss word' } })
  })

  test('mistakes → all at once', () => {
    expect(problems({ TIDEMARK_KAFKA_TLS: 'yes', TIDEMARK_KAFKA_SASL: 'PLAIN', TIDEMARK_S3_REGION: 'Frankfurt am Main' })).toEqual([
      'TIDEMARK_KAFKA_SASL = "PLAIN": one of plain, scram-sha-256, scram-sha-512 is wanted', 'TIDEMARK_S3_REGION = "Frankfurt am Main": the name of a region is wanted',
      expect.stringMatching(/^TIDEMARK_KAFKA_TLS = "yes": true, false, or the path .*; this file can't be read: ENOENT$/),
    ])
    expect(problems({ TIDEMARK_KAFKA_TLS: noCa, ...USER })).toEqual([
      expect.stringMatching(/there is no -----BEGIN CERTIFICATE----- in this file$/), 'TIDEMARK_KAFKA_USER is not used without TIDEMARK_KAFKA_SASL: one of plain, scram-sha-256, scram-sha-512', expect.stringMatching(/^TIDEMARK_KAFKA_PASSWORD is not used/),
    ])
    expect(problems({ TIDEMARK_KAFKA_SASL: 'plain' })).toEqual(['TIDEMARK_KAFKA_SASL (plain) needs TIDEMARK_KAFKA_USER', 'TIDEMARK_KAFKA_SASL (plain) needs TIDEMARK_KAFKA_PASSWORD'])
  })
})
