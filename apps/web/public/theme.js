// Before the first paint: the theme and language that this browser chose, so that nothing flashes.
;(() => {
  try {
    const chosen = JSON.parse(localStorage.getItem('everpost.preferences') || '{}')
    const root = document.documentElement
    if (chosen.theme === 'light' || chosen.theme === 'dark') root.dataset.theme = chosen.theme
    root.lang = chosen.language || (navigator.language.startsWith('ko') ? 'ko' : 'en')
  } catch {
    // No storage: the system's theme and English are fine.
  }
})()
