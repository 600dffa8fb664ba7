// Settings of a driver: what each mistake is called, word for word (__snapshots__), and that all of them are told at once.
import { describe, expect, test } from '@jest/globals'
import { describeError, readFlags, readSettings } from '@tidemark/base'
import { DEFAULT_SETTINGS } from './core/protocol.ts'
import { checkAcross, coreSettings, DRIVER_SETTINGS } from './settings.ts'

type Environment = Readonly<Record<string, string>>
const read = (env: Environment, flags: Environment = {}) => readSettings(DRIVER_SETTINGS, flags, env, checkAcross)
const refusal = (env: Environment, flags: Environment = {}): string => {
  try {
    read(env, flags)
  } catch (error) {
    return describeError(error)
  }
  throw new Error('it was taken')
}

const WRONG: readonly (readonly [string, Environment])[] = [
  ['a broker without a port', { TIDEMARK_KAFKA: 'k1:9092, k2' }],
  ['a broker with a protocol', { TIDEMARK_KAFKA: 'kafka://k1:9092' }],
  ['a store without a protocol', { TIDEMARK_S3_ENDPOINT: 'minio:9000' }],
  ['a store that is a path', { TIDEMARK_S3_ENDPOINT: '/data' }],
  ['a store with the keys in it; its text is not repeated', { TIDEMARK_S3_ENDPOINT: 'http://key:secret@minio:9000' }],
  ['a store with a password alone; its text is not repeated', { TIDEMARK_S3_ENDPOINT: 'http://:se@secret@minio:9000' }],
  ['a store with a query; its text is not repeated', { TIDEMARK_S3_ENDPOINT: 'http://minio:9000?key=secret' }],
  ['a store with keys and no protocol; its text is not repeated', { TIDEMARK_S3_ENDPOINT: 'key:secret@minio:9000' }],
  ['a broker with a password; its text is not repeated', { TIDEMARK_KAFKA: 'k1:9092,me:secret@k2:9092' }],
  ['a bucket with capitals', { TIDEMARK_S3_BUCKET: 'My_Bucket' }],
  ['a lease that is no Redis URL; its text is not repeated', { TIDEMARK_REDIS: 'http://:secret@r' }],
  ['a lease key with braces', { TIDEMARK_LEASE_KEY: 'a {b}' }],
  ['a lease too short', { TIDEMARK_LEASE: '10ms' }],
  ['a lease without a unit that exists', { TIDEMARK_LEASE: '2 sec' }],
  ['a port that there is not', { TIDEMARK_LISTEN: '127.0.0.1:74000' }],
  ['told to others: port 0', { TIDEMARK_ADVERTISE: 'host:0' }],
  ['listening on every address, and no other to tell', { TIDEMARK_LISTEN: '0.0.0.0:7400' }],
  ['told to others: every address', { TIDEMARK_ADVERTISE: '[::]:7400' }],
  ['heartbeats without a pause', { TIDEMARK_HEARTBEAT_INTERVAL: '0' }],
  ['heartbeats too rare for their time-out', { TIDEMARK_HEARTBEAT_INTERVAL: '1s' }],
  ['a duration that a timer can\'t count', { TIDEMARK_RELEASE_TIMEOUT: '30d' }],
  ['a grace longer than the time-out', { TIDEMARK_RECONNECT_GRACE: '5s' }],
  ['a silence too short', { TIDEMARK_LOG_SILENCE: '1s' }],
  ['Kafka and Redis, objects on one machine', { TIDEMARK_KAFKA: 'k:9092', TIDEMARK_REDIS: 'redis://r' }],
  ['a level that there is not', { TIDEMARK_LOG_LEVEL: 'verbose' }],
]

describe('settings of a driver', () => {
  test('nothing given → the defaults fit each other, and are the core\'s own', () => {
    expect(coreSettings(read({}))).toEqual(DEFAULT_SETTINGS)
  })

  test('what may be given, given → taken', () => {
    expect(read({ TIDEMARK_KAFKA: 'k1:9092,[::1]:9093', TIDEMARK_S3_ENDPOINT: 'https://s3.eu-west-1.amazonaws.com', TIDEMARK_REDIS: 'rediss://u:p@r:6380/1', TIDEMARK_LISTEN: '0.0.0.0:0', TIDEMARK_ADVERTISE: 'driver-1.local:7400', TIDEMARK_LOG_LEVEL: 'debug' }))
      .toMatchObject({ kafka: 'k1:9092,[::1]:9093', listen: '0.0.0.0:0', logLevel: 'debug' })
  })

  test('an empty flag → none, as an empty variable is', () => {
    const flags = readFlags(DRIVER_SETTINGS, ['--kafka=', '--log-level', '', '--lease=3s'])
    expect(flags).toEqual({ lease: '3s' })
    expect(readSettings(DRIVER_SETTINGS, { ...flags, kafka: '' }, { TIDEMARK_KAFKA: 'k:1', TIDEMARK_LEASE: '' })).toMatchObject({ kafka: 'k:1', logLevel: 'info', leaseMs: 3_000 })
  })

  test.each(WRONG)('wrong: %s → refused with its name, its value and the rule', (_, env) => {
    const said = refusal(env)
    for (const name of Object.keys(env).filter((each) => each !== 'TIDEMARK_KAFKA' || Object.keys(env).length === 1)) expect(said).toContain(name)
    expect(said).not.toContain('secret')
    expect(said).toMatchSnapshot()
  })

  test('several mistakes, by flag, in the environment, and between settings → all at once; nothing is said of how one that can\'t be read stands to others', () => {
    expect(refusal({ TIDEMARK_LEASE: '10ms', TIDEMARK_HEARTBEAT_INTERVAL: 'often', TIDEMARK_KAFKA: 'k', TIDEMARK_REDIS: 'redis://r' }, { 'log-level': 'loud', 'heartbeat-timeout': '300ms' })).toMatchSnapshot()
  })
})
