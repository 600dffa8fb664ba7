// `tidemark doctor` as a person runs it, on real servers and on an embedded cluster.
import { afterEach, describe, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Cluster } from '../cluster/cluster.ts'
import { serversOf } from '../cluster/servers.ts'
import { describeWith, startMinio } from '../services/index.ts'

const START = fileURLToPath(new URL('../../packages/cli/src/start.js', import.meta.url))

interface Finding {
  readonly what: string
  readonly state: string
  readonly says: readonly string[]
  readonly code?: string
}

const doctor = (env: Readonly<Record<string, string>>): Promise<{ readonly code: number, readonly findings: ReadonlyMap<string, Finding> }> => new Promise((resolve, reject) => {
  execFile(process.execPath, [START, 'doctor', '--json'], { env: { ...process.env, NODE_OPTIONS: '', TIDEMARK_DRIVER: '127.0.0.1:1', ...env } }, (error, out, err) => {
    if (out === '') reject(new Error(`doctor said nothing: ${err}`))
    else resolve({ code: error === null ? 0 : Number(error.code), findings: new Map((JSON.parse(out) as { findings: Finding[] }).findings.map((finding) => [finding.what, finding])) })
  })
})

describe('doctor of an embedded cluster', () => {
  let cluster: Cluster | undefined
  const folders: string[] = []
  afterEach(async () => {
    await cluster?.stop()
    cluster = undefined
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
  })

  test('one that runs → everything is right, and who leads is named', async () => {
    cluster = await Cluster.start({ executors: 0 })
    const { code, findings } = await doctor({ TIDEMARK_DIR: cluster.folder, TIDEMARK_DRIVER: cluster.address })
    expect([code, [...findings.values()].map(({ state }) => state)]).toEqual([0, ['ok', 'ok', 'ok', 'ok']])
    expect(findings.get('lease')?.says).toEqual([`${cluster.address} leads`])
  }, 60_000)

  test('none there → nothing to try, and nothing is made', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-doctor-'))
    folders.push(folder)
    const { code, findings } = await doctor({ TIDEMARK_DIR: folder })
    expect([code, [...findings.values()].map(({ state }) => state)]).toEqual([0, ['left out', 'left out', 'left out', 'warned']])
    expect(readdirSync(folder)).toEqual([])
  })
})

describeWith(['kafka', 'minio', 'redis'], 'doctor of real servers', (server) => {
  test('conditional put, read after write, transactions, lease → tried and right; MinIO on one drive and a bucket without versions → said', async () => {
    const { code, findings } = await doctor(serversOf(server))
    expect(code).toBe(0)
    expect(findings.get('log')).toMatchObject({ state: 'ok', says: [expect.stringMatching(/3\.6 or newer, verifies transactions/)] })
    expect(findings.get('store')).toMatchObject({ state: 'warned', says: [expect.stringMatching(/conditional put/), expect.stringMatching(/one drive/), expect.stringMatching(/keeps no versions/)] })
    expect(findings.get('lease')).toMatchObject({ state: 'ok', says: [expect.stringMatching(/higher epoch/), 'nobody leads'] })
    expect(findings.get('driver')).toMatchObject({ state: 'warned' })
  }, 60_000)

  test('MinIO away → 3, and only of it; a bucket that is not there → 1', async () => {
    const minio = await startMinio()
    try {
      const mine = { ...serversOf(server), TIDEMARK_S3_ENDPOINT: minio.endpoint, TIDEMARK_S3_ACCESS_KEY: minio.accessKey, TIDEMARK_S3_SECRET_KEY: minio.secretKey }
      const missing = await doctor({ ...mine, TIDEMARK_S3_BUCKET: 'not-there' })
      expect([missing.code, missing.findings.get('store')]).toMatchObject([1, { state: 'refused', code: 'STORE_UNUSABLE' }])
      await minio.stop()
      const away = await doctor(mine)
      expect([away.code, away.findings.get('store'), away.findings.get('log')]).toMatchObject([3, { state: 'unreached', code: 'STORE_UNAVAILABLE' }, { state: 'ok' }])
    } finally {
      await minio.close()
    }
  }, 90_000)
})
