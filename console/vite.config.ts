import { defineConfig } from 'vite'

/** Static files that the gateway serves at /console/; names of assets change with their contents. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  build: { outDir: 'dist', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
})
