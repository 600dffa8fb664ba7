import { describe, expect, test } from '@jest/globals'
import { readSettings } from '@tidemark/base'
import { checkAcross, coreSettings, DRIVER_SETTINGS } from './settings.ts'

const read = (env: Readonly<Record<string, string>>) => readSettings(DRIVER_SETTINGS, {}, env, checkAcross)

describe('settings of a driver', () => {
  test('nothing given → the defaults fit each other', () => {
    expect(coreSettings(read({}))).toMatchObject({ heartbeatIntervalMs: 250, heartbeatTimeoutMs: 2_000, reconnectGraceMs: 200 })
  })
  test.each([
    [{ TIDEMARK_HEARTBEAT_INTERVAL: '1s' }, 'TIDEMARK_HEARTBEAT_TIMEOUT (2000 ms) must be at least three times TIDEMARK_HEARTBEAT_INTERVAL (1000 ms)'],
    [{ TIDEMARK_RECONNECT_GRACE: '5s' }, 'TIDEMARK_RECONNECT_GRACE (5000 ms) must be at most TIDEMARK_HEARTBEAT_TIMEOUT (2000 ms)'],
    [{ TIDEMARK_KAFKA: 'k:9092', TIDEMARK_REDIS: 'redis://r' }, 'give TIDEMARK_S3_ENDPOINT and TIDEMARK_REDIS both'],
    [{ TIDEMARK_LEASE: '10ms' }, 'TIDEMARK_LEASE (10 ms) must be at least 300 ms'],
  ])('%j → refused, both settings named', (env, message) => {
    expect(() => read(env)).toThrow(message)
  })
})
