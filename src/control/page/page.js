// The test page: gathers candidates with the relay's iceServers, and calls itself through the relay.
"use strict";

const byId = (id) => document.getElementById(id);
const setText = (id, text) => { byId(id).textContent = text; };
const since = (start) => `${Math.round(performance.now() - start)} ms`;

function addRow(table, cells) {
  const row = byId(table).tBodies[0].insertRow();
  for (const cell of cells) row.insertCell().textContent = cell ?? "";
}

function clearTable(table) {
  byId(table).tBodies[0].replaceChildren();
}

function readServers() {
  setText("servers-error", "");
  try {
    const value = JSON.parse(byId("servers").value);
    const servers = Array.isArray(value) ? value : value.iceServers;
    if (!Array.isArray(servers)) throw new Error("expected a list, or an object with iceServers");
    return servers;
  } catch (error) {
    setText("servers-error", `iceServers cannot be read: ${error.message}`);
    return null;
  }
}

// Some browsers bracket IPv6 addresses, some do not.
function endpoint(address, port) {
  return address?.includes(":") && !address.startsWith("[") ? `[${address}]:${port}` : `${address ?? "hidden"}:${port}`;
}

// Not every browser says how a relay is reached; the server's URL does.
function relayProtocol(candidate) {
  if (candidate.type !== "relay") return "";
  return candidate.relayProtocol || /transport=(\w+)/.exec(candidate.url ?? "")?.[1];
}

function reportError(event, start) {
  byId("errors-part").hidden = false;
  addRow("errors", [since(start), event.errorCode, event.errorText, event.url]);
}

async function gather() {
  const iceServers = readServers();
  if (!iceServers) return;
  byId("gather").disabled = true;
  clearTable("candidates");
  clearTable("errors");
  byId("errors-part").hidden = true;
  setText("gather-status", "Gathering…");
  const policy = byId("relay-only").checked ? "relay" : "all";
  const start = performance.now();
  const counts = {};
  let peer;
  try {
    peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: policy });
    peer.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      counts[candidate.type] = (counts[candidate.type] ?? 0) + 1;
      addRow("candidates", [since(start), candidate.type, candidate.protocol, endpoint(candidate.address, candidate.port),
        relayProtocol(candidate), candidate.url]);
    };
    peer.onicecandidateerror = (event) => reportError(event, start);
    peer.createDataChannel("gather");
    await peer.setLocalDescription();
    await gathered(peer);
    const found = Object.entries(counts).map(([type, count]) => `${count} ${type}`).join(", ");
    setText("gather-status", `Done after ${since(start)}: ${found || "no candidate"}.`);
  } catch (error) {
    setText("gather-status", `Failed: ${error.message}`);
  } finally {
    peer?.close();
    byId("gather").disabled = false;
  }
}

function gathered(peer) {
  return new Promise((resolve) => {
    const check = () => { if (peer.iceGatheringState === "complete") resolve(); };
    peer.addEventListener("icegatheringstatechange", check);
    check();
  });
}

// A quiet tone, made here: no microphone and no permission is needed.
function tone(context) {
  const oscillator = new OscillatorNode(context, { frequency: 440 });
  const output = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(new GainNode(context, { gain: 0.1 })).connect(output);
  oscillator.start();
  return output.stream;
}

let call = null;

async function startCall() {
  const iceServers = readServers();
  if (!iceServers) return;
  hangUp();
  byId("call").disabled = true;
  byId("hang-up").disabled = false;
  const start = performance.now();
  const settings = { iceServers, iceTransportPolicy: "relay" };
  const current = { context: new AudioContext(), messages: 0, candidates: 0, timers: [] };
  call = current;
  try {
    const [caller, callee] = [new RTCPeerConnection(settings), new RTCPeerConnection(settings)];
    Object.assign(current, { caller, callee });
    exchange(current, caller, callee, start);
    exchange(current, callee, caller, start);
    const stream = tone(current.context);
    stream.getTracks().forEach((track) => caller.addTrack(track, stream));
    callee.ondatachannel = ({ channel }) => { channel.onmessage = ({ data }) => channel.send(data); };
    caller.onconnectionstatechange = () => showState(caller, start);
    const channel = caller.createDataChannel("echo");
    channel.onopen = () => {
      current.timers.push(setInterval(() => {
        if (channel.readyState === "open") channel.send(`ping ${performance.now()}`);
      }, 100));
    };
    channel.onmessage = () => setText("call-messages", ++current.messages);
    await caller.setLocalDescription();
    await callee.setRemoteDescription(caller.localDescription);
    await callee.setLocalDescription();
    await caller.setRemoteDescription(callee.localDescription);
    setText("call-status", "Connecting…");
    current.timers.push(setInterval(() => showFigures(current), 1000));
    await Promise.all([gathered(caller), gathered(callee)]);
    // Without a candidate on either side, the browser would wait forever.
    if (call === current && !current.candidates) {
      hangUp();
      setText("call-status", "The call failed: the relay gave no address; see the errors above.");
    }
  } catch (error) {
    if (call === current) hangUp();
    setText("call-status", `The call failed: ${error.message}`);
  }
}

function exchange(current, from, to, start) {
  from.onicecandidate = ({ candidate }) => {
    if (candidate?.candidate) current.candidates++;
    to.addIceCandidate(candidate ?? undefined).catch(() => {});
  };
  from.onicecandidateerror = (event) => reportError(event, start);
}

function showState(peer, start) {
  setText("call-state", peer.connectionState);
  if (peer.connectionState === "connected") setText("call-status", `Connected after ${since(start)}.`);
  if (peer.connectionState === "failed") setText("call-status", "No connection through the relay; see the errors above.");
}

const size = (bytes) => bytes === undefined ? "–" : `${(bytes / 1000).toFixed(1)} kB`;

async function showFigures(current) {
  const stats = await current.caller.getStats();
  const remote = await current.callee.getStats();
  if (call !== current) return;
  let pair = null;
  stats.forEach((report) => {
    if (report.type === "transport" && report.selectedCandidatePairId) pair = stats.get(report.selectedCandidatePairId);
    if (!pair && report.type === "candidate-pair" && report.nominated && report.state === "succeeded") pair = report;
  });
  if (!pair) return;
  const describe = (candidate) => candidate ? `${candidate.candidateType} ${endpoint(candidate.address ?? candidate.ip, candidate.port)}` +
    (candidate.relayProtocol ? ` (${candidate.relayProtocol})` : "") : "?";
  setText("call-pair", `${describe(stats.get(pair.localCandidateId))} to ${describe(stats.get(pair.remoteCandidateId))}`);
  setText("call-rtt", pair.currentRoundTripTime === undefined ? "–" : `${(pair.currentRoundTripTime * 1000).toFixed(1)} ms`);
  setText("call-sent", size(pair.bytesSent));
  setText("call-received", size(pair.bytesReceived));
  remote.forEach((report) => {
    if (report.type === "inbound-rtp" && report.kind === "audio") {
      setText("call-lost", `${report.packetsLost} of ${report.packetsReceived + Math.max(report.packetsLost, 0)}`);
    }
  });
}

function hangUp() {
  if (!call) return;
  call.timers.forEach(clearInterval);
  call.caller?.close();
  call.callee?.close();
  call.context.close().catch(() => {});
  call = null;
  byId("call").disabled = false;
  byId("hang-up").disabled = true;
  setText("call-state", "closed");
  setText("call-status", "Hung up.");
}

async function main() {
  byId("gather").addEventListener("click", gather);
  byId("call").addEventListener("click", startCall);
  byId("hang-up").addEventListener("click", hangUp);
  try {
    const answer = await fetch("ice-servers.json");
    if (!answer.ok) throw new Error(`the relay answered ${answer.status}`);
    byId("servers").value = JSON.stringify(await answer.json(), null, 2);
  } catch (error) {
    setText("servers-error", `The relay's iceServers could not be had: ${error.message}`);
  }
}

main();
