import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app/App.tsx'
import { openSession } from './session/session.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/ui.css'
import './styles/shell.css'
import './styles/list.css'
import './styles/row.css'
import './styles/reader.css'
import './styles/message.css'
import './styles/composer.css'

const root = document.getElementById('root')
if (!root) throw new Error('The page has no #root')
// Asked while React is still starting; the welcome page has its own way in.
if (location.pathname !== '/welcome') void openSession()
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
