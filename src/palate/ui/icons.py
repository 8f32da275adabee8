"""The page's drawings: Palate's mark, and the sun and moon of its switch."""

MARK = (
    '<svg class="pl-mark" viewBox="0 0 40 40" aria-hidden="true"><circle cx="20" cy="20" r="20"/>'
    '<path d="M10 16c2.5-4.5 7-5.5 10-2.5 3-3 7.5-2 10 2.5-1.5 8-5.5 12.5-10 12.5S11.5 24 10 16z"/>'
    '<path d="M20 20.5v7.5"/></svg>'
)
SUN = (
    '<svg class="pl-sun" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="4.5"/>'
    '<path d="M12 2.5v2.5M12 19v2.5M2.5 12H5M19 12h2.5M5.3 5.3 7 7M17 17l1.7 1.7M18.7 5.3 17 7M7 17l-1.7 1.7"/></svg>'
)
MOON = (
    '<svg class="pl-moon" viewBox="0 0 24 24" aria-hidden="true">'
    '<path d="M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z"/></svg>'
)
FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><circle cx="20" cy="20" r="20" fill="#8a2f55"/>'
    '<path d="M10 16c2.5-4.5 7-5.5 10-2.5 3-3 7.5-2 10 2.5-1.5 8-5.5 12.5-10 12.5S11.5 24 10 16zM20 20.5v7.5" '
    'fill="none" stroke="#fff" stroke-width="2.5" stroke-linecap="round"/></svg>'
)
