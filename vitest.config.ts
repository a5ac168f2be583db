import { defineConfig } from 'vitest/config'

const node = { environment: 'node', pool: 'forks' } as const

export default defineConfig({
  test: {
    // One core less than there are would leave half of a small machine idle.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          ...node,
          name: 'unit',
          // A machine with other work takes its time; what hangs is found as well a little later.
          testTimeout: 30_000,
          hookTimeout: 30_000,
          include: ['{core,contract,policy,worker,gateway,cli,console,bench,test}/**/*.test.ts'],
          exclude: [
            'test/e2e/**',
            'test/containers/**',
            'test/console/**',
            'test/dashboards/**',
            'test/mlflow/**',
            '**/node_modules/**',
          ],
        },
      },
      {
        test: {
          ...node,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...node,
          name: 'console',
          include: ['test/console/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...node,
          name: 'dashboards',
          include: ['test/dashboards/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...node,
          name: 'mlflow',
          include: ['test/mlflow/**/*.test.ts'],
          testTimeout: 120_000,
        },
      },
      {
        test: {
          ...node,
          name: 'containers',
          include: ['test/containers/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
