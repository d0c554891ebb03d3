/* What script adds; every page can be read and signed without it. */
(function () {
  'use strict';

  function offerCopies(root) {
    root.querySelectorAll('button[data-copy]').forEach(function (button) {
      if (!navigator.clipboard) { return; }
      button.hidden = false;
      button.addEventListener('click', function () {
        navigator.clipboard.writeText(button.dataset.copy).then(function () {
          button.textContent = 'Copied';
          window.setTimeout(function () { button.textContent = 'Copy'; }, 2000);
        }, function () {
          button.textContent = 'Not copied';
        });
      });
    });
  }

  function focusOnErrors() {
    var summary = document.querySelector('.errsum');
    if (summary) {
      summary.setAttribute('tabindex', '-1');
      summary.focus();
    }
  }

  /* The server renders the list of jobs; this asks for it again until it says that all have ended. */
  function follow(place) {
    var wait = 1500;
    function ask() {
      fetch(place.dataset.live, { credentials: 'same-origin', headers: { Accept: 'text/html' } })
        .then(function (answer) {
          if (!answer.ok) { throw new Error(String(answer.status)); }
          return answer.text();
        })
        .then(function (text) {
          var page = new DOMParser().parseFromString(text, 'text/html');
          var next = page.querySelector('[data-live]');
          if (!next || next.dataset.state === 'ended') { window.location.reload(); return; }
          place.replaceChildren.apply(place, Array.from(next.childNodes));
          window.setTimeout(ask, wait);
        })
        .catch(function () {
          wait = Math.min(wait * 2, 30000);
          window.setTimeout(ask, wait);
        });
    }
    window.setTimeout(ask, wait);
  }

  /* What was written before the way to the identity provider goes on by itself. */
  function sendOn(form) {
    form.querySelector('button[type=submit]').disabled = true;
    form.submit();
  }

  offerCopies(document);
  focusOnErrors();
  document.querySelectorAll('form[data-send]').forEach(sendOn);
  document.querySelectorAll('[data-live]').forEach(function (place) {
    if (place.dataset.state !== 'ended') { follow(place); }
  });
}());
