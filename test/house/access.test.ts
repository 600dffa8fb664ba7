// Every process that opens Kafka or an S3 store opens it as the settings say: who forgets it is refused by servers that all others reach.
import { expect, test } from '@jest/globals'
import { sources } from './repository.ts'

const opened = (adapter: string): (readonly [path: string, options: string])[] => sources.filter(({ path }) => /^packages\/(?:driver|executor|cli)\/src\/(?:.*\.)?main\.ts$/.test(path))
  .flatMap(({ path, text }) => [...text.matchAll(new RegExp(`\\b${adapter}\\((\\{.*\\})`, 'g'))].map(([, options]) => [path, options ?? ''] as const))

const PROCESSES = ['packages/cli/src/main.ts', 'packages/driver/src/driver.main.ts', 'packages/executor/src/slot.main.ts', 'packages/executor/src/trial.main.ts']

test.each([['openKafkaLog', /\.\.\.kafkaAccess\((?:settings|access)\)/], ['openMinioStore', /\bregion: (?:settings\.)?s3Region\b/]] as const)('access: whoever calls %s → passes on how it is reached', (adapter, passed) => {
  expect(opened(adapter).map(([path]) => path)).toEqual(PROCESSES)
  expect(opened(adapter).filter(([, options]) => !passed.test(options))).toEqual([])
})
