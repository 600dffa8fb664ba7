// tidemark config: who has the last word, what is hidden, and every mistake of every process at once.
import { describe, expect, test } from '@jest/globals'
import { NO_CONFIG, readConfig } from '../config-file.ts'
import { ALL_SETTINGS, readServers } from '../settings.ts'
import { printed, testContext } from '../test-context.ts'
import { configRows, showConfig } from './config.ts'
import type { ConfigRow } from './config.ts'

const FILE = readConfig('/here/tidemark.config.ts', { kafka: 'file:1', dir: 'file', driver: 'file:1', s3SecretKey: 'secret', redis: 'redis://me:word@r:1', s3Endpoint: 'http://s3:9000' })
const row = (rows: readonly ConfigRow[], setting: string): unknown => {
  const { value, from, source } = rows.find((one) => one.setting === setting) ?? {}
  return [value, from, source]
}

describe('config', () => {
  test('config, one setting given four times → flag, then variable, then file, then default', () => {
    const rows = configRows({ kafka: 'flag:1' }, { TIDEMARK_KAFKA: 'variable:1', TIDEMARK_DIR: 'variable', TIDEMARK_DRIVER: '' }, FILE)
    expect(['kafka', 'dir', 'driver', 's3Bucket'].map((setting) => row(rows, setting))).toEqual([
      ['flag:1', 'flag', '--kafka'], ['variable', 'environment', 'TIDEMARK_DIR'], ['file:1', 'file', 'tidemark.config.ts'], ['tidemark', 'default', null],
    ])
  })

  test('config, settings that only a driver or an executor has → by their flags too', () => {
    const rows = configRows({ slots: '3', listen: 'flag:1' }, { TIDEMARK_SLOTS: '2', TIDEMARK_LEASE: '3s' }, readConfig('x', { slots: 4, lease: '4s', label: 'file' }))
    expect(['slots', 'listen', 'lease', 'label', 'heartbeatTimeout'].map((setting) => row(rows, setting))).toEqual([
      [3, 'flag', '--slots'], ['flag:1', 'flag', '--listen'], [3_000, 'environment', 'TIDEMARK_LEASE'], ['file', 'file', 'tidemark.config.ts'], [2_000, 'default', null],
    ])
  })

  test.each<readonly [Record<string, string>, unknown]>([[{}, 3_072], [{ TIDEMARK_SLOT_HEAP: '512' }, 1_536], [{ TIDEMARK_SLOT_MEMORY: '4096' }, 4_096]])('config, the memory of a slot with %j → %s MiB: as it holds', (environment, value) => {
    expect(configRows({}, environment, NO_CONFIG).find(({ setting }) => setting === 'slotMemory')?.value).toBe(value)
  })

  test.each([['flag:1', 'flag:1'], ['', 'variable:1']])('config, --kafka "%s" beside a variable → %s, for config and for the commands', (flag, value) => {
    const environment = { TIDEMARK_KAFKA: 'variable:1' }
    expect([configRows({ kafka: flag }, environment, NO_CONFIG).find(({ setting }) => setting === 'kafka')?.value, readServers({ kafka: flag }, environment, NO_CONFIG).kafka]).toEqual([value, value])
  })

  test('config, every setting → once, with who uses it; secrets are hidden', () => {
    const rows = configRows({}, {}, FILE)
    expect(new Set(rows.map(({ setting }) => setting)).size).toBe(rows.length)
    expect(rows.find(({ setting }) => setting === 'kafka')?.usedBy).toEqual(['commands', 'driver', 'executor'])
    expect(rows.find(({ setting }) => setting === 'slots')).toMatchObject({ value: 1, usedBy: ['executor'] })
    expect([row(rows, 's3SecretKey'), row(rows, 'redis')]).toEqual([['…', 'file', 'tidemark.config.ts'], ['redis://…@r:1', 'file', 'tidemark.config.ts']])
    const context = testContext({ json: true })
    showConfig(context.terminal, true, rows, FILE)
    showConfig(context.terminal, false, rows, FILE)
    expect(context.out.length).toBeGreaterThan(rows.length)
    expect(context.out.join('\n')).not.toMatch(/\bsecret\b|\bword\b/)
  })

  test.each([
    ['redis://:p@ss@host:1', 'redis://…@host:1'], ['rediss://me@host/2', 'rediss://…@host/2'], ['redis://host?password=p@ss', 'redis://host?…'], ['redis://host/#ss', 'redis://host/?…'], ['redis://host:1/0', 'redis://host:1/0'],
  ])('config, the URL %s → %s', (url, shown) => {
    expect(configRows({}, { TIDEMARK_REDIS: url }, NO_CONFIG).find(({ setting }) => setting === 'redis')?.value).toBe(shown)
  })

  test.each(['http://key:word@s3:9000', 'http://s3:9000?key=word'])('config, the keys of the object store in its endpoint, %s → refused from wherever they come, and not repeated', (url) => {
    const refused = expect.objectContaining({ code: 'SETTINGS_INVALID', message: expect.not.stringContaining('word') })
    expect(() => configRows({}, { TIDEMARK_S3_ENDPOINT: url }, NO_CONFIG)).toThrow(refused)
    expect(() => configRows({ s3Endpoint: url }, {}, NO_CONFIG)).toThrow(refused)
    expect(() => configRows({}, {}, readConfig('x', { s3Endpoint: url }))).toThrow(refused)
  })

  test('config, a user of Kafka → how it is shown, and not its password; without that a mistake, and none for a command that does not open Kafka', () => {
    const user = { TIDEMARK_KAFKA_USER: 'me', TIDEMARK_KAFKA_PASSWORD: 'word' }
    const file = readConfig('x', { kafkaTls: true, kafkaSasl: 'scram-sha-512' })
    expect(['kafkaTls', 'kafkaSasl', 'kafkaUser', 'kafkaPassword', 's3Region'].map((setting) => row(configRows({}, user, file), setting))).toEqual([
      ['true', 'file', 'tidemark.config.ts'], ['scram-sha-512', 'file', 'tidemark.config.ts'], ['me', 'environment', 'TIDEMARK_KAFKA_USER'], ['…', 'environment', 'TIDEMARK_KAFKA_PASSWORD'], ['us-east-1', 'default', null],
    ])
    expect(() => configRows({}, user, NO_CONFIG)).toThrow(expect.objectContaining({ code: 'SETTINGS_INVALID', message: expect.not.stringContaining('word'), details: { problems: [expect.stringMatching(/^TIDEMARK_KAFKA_USER /), expect.stringMatching(/^TIDEMARK_KAFKA_PASSWORD /)] } }))
    expect(readServers({}, { ...user, TIDEMARK_KAFKA_TLS: '/not/here.pem' }, NO_CONFIG)).toMatchObject({ kafkaTls: '/not/here.pem' })
  })

  test('config, a password or a secret key that looks like a URL → nothing of it is shown', () => {
    const secrets = { TIDEMARK_KAFKA_SASL: 'plain', TIDEMARK_KAFKA_USER: 'me', TIDEMARK_KAFKA_PASSWORD: 'abc://def', TIDEMARK_S3_SECRET_KEY: 'abc://def' }
    expect(['kafkaPassword', 's3SecretKey'].map((setting) => row(configRows({}, secrets, NO_CONFIG), setting))).toEqual([['…', 'environment', 'TIDEMARK_KAFKA_PASSWORD'], ['…', 'environment', 'TIDEMARK_S3_SECRET_KEY']])
  })

  test('config, durations → with their unit, as they may be typed; a script gets number and unit', () => {
    const context = testContext()
    const rows = configRows({}, { TIDEMARK_LEASE: '3s' }, NO_CONFIG)
    showConfig(context.terminal, false, rows, NO_CONFIG)
    expect(context.out).toEqual(expect.arrayContaining([expect.stringMatching(/^lease +TIDEMARK_LEASE +3000ms +TIDEMARK_LEASE/), expect.stringMatching(/^slotHeap +TIDEMARK_SLOT_HEAP +2048 /)]))
    expect(rows.find(({ setting }) => setting === 'lease')).toMatchObject({ value: 3_000, unit: 'ms' })
  })

  test('config --json → one line with every setting, each with just these facts', () => {
    const context = testContext({ json: true })
    const file = readConfig('x', { kafka: ['a:1', 'b:2'], s3SecretKey: 'secret' })
    showConfig(context.terminal, true, configRows({ slots: '3' }, { TIDEMARK_LEASE: '3s' }, file), file)
    const [rows = [], ...more] = printed(context) as (readonly ConfigRow[])[]
    const all = ['commands', 'driver', 'executor']
    const some: readonly ConfigRow[] = [
      { setting: 'kafka', value: 'a:1,b:2', from: 'file', source: 'tidemark.config.ts', variable: 'TIDEMARK_KAFKA', usedBy: all },
      { setting: 'lease', value: 3_000, from: 'environment', source: 'TIDEMARK_LEASE', variable: 'TIDEMARK_LEASE', unit: 'ms', usedBy: ['driver'] },
      { setting: 'redis', value: null, from: 'default', source: null, variable: 'TIDEMARK_REDIS', usedBy: ['commands', 'driver'] },
      { setting: 's3SecretKey', value: '…', from: 'file', source: 'tidemark.config.ts', variable: 'TIDEMARK_S3_SECRET_KEY', usedBy: all },
      { setting: 'slots', value: 3, from: 'flag', source: '--slots', variable: 'TIDEMARK_SLOTS', usedBy: ['executor'] },
    ]
    expect([rows.filter(({ setting }) => some.some((one) => one.setting === setting)), more]).toStrictEqual([some, []])
    expect(new Set(rows.map((one) => Object.keys(one).filter((fact) => fact !== 'unit').join()))).toEqual(new Set(['setting,value,from,source,variable,usedBy']))
    expect(rows.map(({ variable }) => variable).toSorted()).toEqual(Object.keys(ALL_SETTINGS).toSorted())
  })

  test('config, mistakes in flags, variables and file, of driver and executor → one error with all of them', () => {
    const file = readConfig('x', { kafak: 'x' })
    expect(() => configRows({}, { TIDEMARK_SLOTS: 'none', TIDEMARK_LEASE: 'soon' }, file)).toThrow(expect.objectContaining({
      code: 'SETTINGS_INVALID', details: { problems: [expect.stringMatching(/^kafak /), expect.stringMatching(/^TIDEMARK_LEASE = /), expect.stringMatching(/^TIDEMARK_SLOTS = /)] },
    }))
    expect(() => configRows({}, { TIDEMARK_HEARTBEAT_TIMEOUT: '300ms' }, NO_CONFIG)).toThrow(/must be at least three times/)
    expect(() => configRows({ heartbeatTimeout: '300ms', slots: 'none', kafka: 'none' }, {}, NO_CONFIG)).toThrow(expect.objectContaining({
      details: { problems: [expect.stringMatching(/^--kafka = /), expect.stringMatching(/three times/), expect.stringMatching(/^--slots = /)] },
    }))
  })
})
