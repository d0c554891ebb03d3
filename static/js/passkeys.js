/* Passkeys: asks the server what is to be signed, the browser for the person's answer, and sends the form with it. */
(function () {
  'use strict';

  var NAMES = ['clientDataJSON', 'authenticatorData', 'signature', 'userHandle', 'attestationObject'];

  function bytes(text) {
    var plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
    return Uint8Array.from(plain, function (letter) { return letter.charCodeAt(0); });
  }

  function text(buffer) {
    var plain = String.fromCharCode.apply(null, new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  }

  /* The options with bytes where JSON has text. */
  function prepared(options) {
    var given = Object.assign({}, options);
    given.challenge = bytes(given.challenge);
    if (given.user) { given.user = Object.assign({}, given.user, { id: bytes(given.user.id) }); }
    ['allowCredentials', 'excludeCredentials'].forEach(function (name) {
      if (given[name]) {
        given[name] = given[name].map(function (one) { return Object.assign({}, one, { id: bytes(one.id) }); });
      }
    });
    return given;
  }

  function written(credential) {
    var response = {};
    NAMES.forEach(function (name) {
      if (credential.response[name]) { response[name] = text(credential.response[name]); }
    });
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response: response,
      clientExtensionResults: credential.getClientExtensionResults()
    });
  }

  function made(field) {
    var options = JSON.parse(field.dataset.create).publicKey;
    return navigator.credentials.create({ publicKey: prepared(options) }).then(function (credential) {
      field.value = written(credential);
    });
  }

  function answered(field, options) {
    return navigator.credentials.get({ publicKey: prepared(options.publicKey) }).then(function (credential) {
      field.value = written(credential);
    });
  }

  function asked(form, field) {
    var body = new FormData(form);
    body.set('assertion_act', new URL(form.getAttribute('action') || '', window.location.href).pathname);
    return fetch(field.dataset.challenge, { method: 'POST', body: body, credentials: 'same-origin' })
      .then(function (answer) { return answer.json().then(function (said) { return { ok: answer.ok, said: said }; }); })
      .then(function (answer) {
        if (!answer.ok) { throw new Error(answer.said.detail); }
        var nonce = form.querySelector('[name=assertion_nonce]');
        if (nonce && answer.said.nonce) { nonce.value = answer.said.nonce; }
        return answer.said.options;
      });
  }

  function shown(form, problem) {
    var place = form.querySelector('[data-passkey-problem]');
    var refused = problem.name === 'NotAllowedError' || problem.name === 'InvalidStateError';
    place.textContent = refused ? 'The passkey was not used. Nothing was sent; try again.' : problem.message;
    place.hidden = false;
  }

  function attend(form) {
    var create = form.querySelector('[data-create]');
    var field = form.querySelector('[name=assertion][data-challenge]');
    var given = form.querySelector('[data-options]');
    if (!create && !field && !given) { return; }
    form.addEventListener('submit', function (event) {
      var code = form.querySelector('[name=code]');
      var typed = code && code.value.trim();
      var through = form.querySelector('[name=through]');
      var elsewhere = through && (through.type === 'hidden' || through.checked);
      if ((typed || elsewhere) && !create) { return; }
      event.preventDefault();
      var button = form.querySelector('button[type=submit]');
      button.disabled = true;
      Promise.resolve()
        .then(function () { return create ? made(create) : null; })
        .then(function () { return field && !typed && !elsewhere ? asked(form, field) : null; })
        .then(function (options) { return options ? answered(field, options) : null; })
        .then(function () {
          return given ? answered(given, JSON.parse(document.getElementById(given.dataset.options).textContent)) : null;
        })
        .then(function () { form.submit(); })
        .catch(function (problem) {
          button.disabled = false;
          shown(form, problem);
        });
    });
  }

  document.querySelectorAll('form').forEach(attend);
}());
