import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// `vite dev` talks to a running server: EVERPOST_URL, default http://127.0.0.1:8080.
const server = process.env['EVERPOST_URL'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react()],
  // The app's Content-Security-Policy allows no inline styles, scripts or data: fonts, so nothing may be inlined.
  build: { target: 'es2023', assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: true },
  server: {
    proxy: {
      '/graphql': { target: server, ws: true },
      '/session': server,
      '/account': server,
      '/attachments': server,
      '/message': server,
    },
  },
})
