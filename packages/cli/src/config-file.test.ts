import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig, NO_CONFIG, readConfig } from './config-file.ts'

let folder: string
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'tidemark-config-')) })
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('config file', () => {
  test('config file, right → values of variables; numbers and lists as texts', () => {
    expect(readConfig('x', { kafka: ['a:1', 'b:2'], slots: 2, heartbeatTimeout: '3s', redis: undefined })).toEqual({
      path: 'x', variables: { TIDEMARK_KAFKA: 'a:1,b:2', TIDEMARK_SLOTS: '2', TIDEMARK_HEARTBEAT_TIMEOUT: '3s' }, problems: [],
    })
  })

  test('config file, several mistakes → each told, what is right is kept', () => {
    const { variables, problems } = readConfig('x', { kafak: 'a:1', slots: 0, kafka: { host: 'a' }, logLevel: 'loud', dir: 'here', s3SecretKey: 'secret' })
    expect(variables).toEqual({ TIDEMARK_DIR: 'here', TIDEMARK_S3_SECRET_KEY: 'secret' })
    expect(problems).toEqual([
      'kafak in tidemark.config.ts is no setting. Did you mean kafka?', 'slots in tidemark.config.ts = "0": a whole number of at least 1 is wanted',
      'kafka in tidemark.config.ts is an object: a text, a number or a list of texts is wanted', 'logLevel in tidemark.config.ts = "loud": one of debug, info, warn, error is wanted',
    ])
  })

  test.each([
    ['kafka', { brokers: ['a:1'], sasl: { username: 'me', password: 'hunter2' } }, 'an object'], ['kafkaTls', { key: '-----BEGIN PRIVATE KEY-----' }, 'an object'], ['kafkaPassword', { plain: 'hunter2' }, 'an object'],
    ['kafka', [{ host: 'a:1', password: 'hunter2' }], 'a list with something else than texts'], ['s3SecretKey', [7, 'hunter2'], 'a list with something else than texts'],
    ['dir', null, 'null'], ['slots', 2n, 'a bigint'], ['dir', () => 'hunter2', 'a function'], ['logLevel', Symbol('hunter2'), 'a symbol'],
  ])('config file, %s with a value of the wrong type → what it is and what is wanted, and nothing of what is in it: that may be a secret', (key, value, what) => {
    expect(readConfig('x', { [key]: value }).problems).toEqual([`${key} in tidemark.config.ts is ${what}: a text, a number or a list of texts is wanted`])
  })

  test.each([[undefined], [[]], ['kafka']])('config file, %j as its default → a mistake', (exported) => {
    expect(readConfig('x', exported).problems).toEqual([expect.stringMatching(/exports no settings/)])
  })

  test('config file, none → nothing; typed, with an import → loaded; one that does not compile or throws → a mistake that says where', async () => {
    expect(await loadConfig(folder)).toEqual(NO_CONFIG)
    const file = join(folder, 'tidemark.config.ts')
    writeFileSync(join(folder, 'broker.ts'), "export const broker: string = 'a:1'\n")
    writeFileSync(file, "import { broker } from './broker.ts'\nexport default { kafka: broker } satisfies Record<string, string>\n")
    expect(await loadConfig(folder)).toEqual({ path: file, variables: { TIDEMARK_KAFKA: 'a:1' }, problems: [] })
    writeFileSync(file, 'export default {\n  kafka: :\n}\n')
    expect((await loadConfig(folder)).problems).toEqual([expect.stringMatching(/can't be loaded: .*tidemark\.config\.ts:2:/)])
    writeFileSync(file, "throw new Error('not today')\n")
    expect((await loadConfig(folder)).problems).toEqual(["tidemark.config.ts can't be loaded: not today"])
  })
})
