import { expect, test } from '@jest/globals'
import { misspelled } from './misspelled.ts'

test('variables, nearly a setting of any process → which one was meant, in the order of their names', () => {
  expect(misspelled({ TIDEMARK_SLOT_HAEP: '512', TIDEMARK_HEARTBEAT_TIMOUT: '3s', TIDEMARK_KAFAK: '' })).toEqual([
    'TIDEMARK_HEARTBEAT_TIMOUT is set, and is no setting. Did you mean TIDEMARK_HEARTBEAT_TIMEOUT?', 'TIDEMARK_KAFAK is set, and is no setting. Did you mean TIDEMARK_KAFKA?',
    'TIDEMARK_SLOT_HAEP is set, and is no setting. Did you mean TIDEMARK_SLOT_HEAP?',
  ])
})

test('variables, settings, those of tests and tools, those of others, those that an executor gives its slots → nothing is said', () => {
  expect(misspelled({
    TIDEMARK_SLOTS: '2', TIDEMARK_S3_REGION: '', TIDEMARK_TOOLS: '/tools', TIDEMARK_REQUIRE_SERVICES: '1', TIDEMARK_TEST_RUN: '/tmp/x', TIDEMARK_SEED: '1', TIDEMARK_SLOT_NUMBER: '0', TIDEMARK_SLOT_ID: 'x', TIDEMARK_SLOT_EXECUTOR: 'y',
    KAFAK: 'x', PATH: '/bin',
  })).toEqual([])
})
