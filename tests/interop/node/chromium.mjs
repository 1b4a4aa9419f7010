// Two relay-only peer connections in one page of headless Chromium: audio and a data channel, both ways.
// Argument: JSON {chromium, iceServers, seconds, expect: "call" | "error" | "statistics"}; for statistics, iceServers has a
// list for each of the two. Prints one line of JSON; the caller judges it.

import { createServer } from "node:http";
import { chromium } from "playwright-core";

const task = JSON.parse(process.argv[2]);

// A microphone is given only to pages of a secure origin, which localhost is.
const server = createServer((_request, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>interop</title>");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await chromium.launch({
  executablePath: task.chromium,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
  ],
});
try {
  const page = await browser.newPage();
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const report = await page.evaluate({ call, error: candidateError, statistics }[task.expect], task);
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
  server.close();
}

// Runs in the page: gathers with the given servers until a candidate error or the end of gathering.
async function candidateError({ iceServers }) {
  const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  connection.createDataChannel("none");
  const outcome = new Promise((resolve) => {
    const errors = [];
    let candidates = 0;
    connection.onicecandidateerror = ({ errorCode, errorText, url }) => errors.push({ errorCode, errorText, url });
    connection.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) candidates += 1;
      if (candidate === null) resolve({ errors, candidates });
    };
  });
  await connection.setLocalDescription();
  return outcome;
}

// Runs in the page: a whole call.
async function call({ iceServers, seconds }) {
  const configuration = { iceServers, iceTransportPolicy: "relay" };
  const ends = [new RTCPeerConnection(configuration), new RTCPeerConnection(configuration)];
  const errors = [];
  ends.forEach((end, index) => {
    end.onicecandidate = ({ candidate }) => candidate && ends[1 - index].addIceCandidate(candidate);
    end.onicecandidateerror = ({ errorCode, errorText, url }) => errors.push({ errorCode, errorText, url });
  });

  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const until = async (what, limit, found) => {
    for (let waited = 0; waited < limit; waited += 50) {
      const value = await found();
      if (value) return value;
      await sleep(50);
    }
    const states = ends.map((end) => `${end.connectionState}/${end.iceConnectionState}`);
    throw new Error(`${what} did not happen; ${states}; ${JSON.stringify(errors)}`);
  };

  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  const senders = ends.map((end) => end.addTrack(media.getAudioTracks()[0], media));
  const channels = ends.map((end) => end.createDataChannel("sequence", { negotiated: true, id: 0 }));
  const received = [[], []];
  channels.forEach((channel, index) => {
    channel.onmessage = ({ data }) => received[index].push(data);
  });

  await ends[0].setLocalDescription(await ends[0].createOffer());
  await ends[1].setRemoteDescription(ends[0].localDescription);
  await ends[1].setLocalDescription(await ends[1].createAnswer());
  await ends[0].setRemoteDescription(ends[1].localDescription);
  await until("an open data channel", 60_000, () => channels.every((channel) => channel.readyState === "open"));

  const filling = "x".repeat(500);
  const rounds = seconds * 50;
  for (let round = 0; round < rounds; round += 1) {
    channels.forEach((channel) => channel.send(`${round} ${filling}`));
    await sleep(20);
  }
  await until("every message", 30_000, () => received.every((list) => list.length >= rounds));
  const inOrder = received.map(
    (list) => list.length === rounds && list.every((text, index) => text === `${index} ${filling}`),
  );

  // After the last packet has been sent, both sides can be counted to the packet.
  await Promise.all(senders.map((sender) => sender.replaceTrack(null)));
  const find = async (end, wanted) => {
    const stats = [...(await end.getStats()).values()];
    return wanted(stats, (id) => stats.find((entry) => entry.id === id));
  };
  const audio = async (end) =>
    find(end, (stats) => ({
      sent: stats.find((entry) => entry.type === "outbound-rtp")?.packetsSent ?? 0,
      received: stats.find((entry) => entry.type === "inbound-rtp")?.packetsReceived ?? 0,
      lost: stats.find((entry) => entry.type === "inbound-rtp")?.packetsLost ?? 0,
    }));
  let before = "";
  const counts = await until("the last audio packet", 30_000, async () => {
    const now = await Promise.all(ends.map(audio));
    const text = JSON.stringify(now);
    const settled = text === before && now[0].sent > 0 && now[1].sent > 0;
    before = text;
    await sleep(500);
    return settled && now;
  });
  const pairs = await Promise.all(
    ends.map((end) =>
      find(end, (stats, byId) => {
        const transport = stats.find((entry) => entry.type === "transport");
        const pair = byId(transport.selectedCandidatePairId);
        const [local, remote] = [byId(pair.localCandidateId), byId(pair.remoteCandidateId)];
        return {
          local: local.candidateType,
          remote: remote.candidateType,
          relayProtocol: local.relayProtocol,
          address: local.address,
          bytesSent: pair.bytesSent,
          bytesReceived: pair.bytesReceived,
        };
      }),
    ),
  );
  ends.forEach((end) => end.close());
  return { rounds, inOrder, audio: counts, pairs, errors };
}

// Runs in the page: a call of audio only, each end with servers of its own; what both ends say about it when nothing is
// on the way any more.
async function statistics({ iceServers, seconds }) {
  const ends = iceServers.map((servers) => new RTCPeerConnection({ iceServers: servers, iceTransportPolicy: "relay" }));
  ends.forEach((end, index) => {
    end.onicecandidate = ({ candidate }) => candidate && ends[1 - index].addIceCandidate(candidate);
  });
  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const media = await navigator.mediaDevices.getUserMedia({ audio: true });
  const senders = ends.map((end) => end.addTrack(media.getAudioTracks()[0], media));
  await ends[0].setLocalDescription(await ends[0].createOffer());
  await ends[1].setRemoteDescription(ends[0].localDescription);
  await ends[1].setLocalDescription(await ends[1].createAnswer());
  await ends[0].setRemoteDescription(ends[1].localDescription);

  const look = (end) =>
    end.getStats().then((report) => {
      const stats = [...report.values()];
      const of = (type) => stats.find((entry) => entry.type === type);
      const byId = (id) => stats.find((entry) => entry.id === id);
      const pair = byId(of("transport")?.selectedCandidatePairId);
      return {
        outbound: of("outbound-rtp"),
        inbound: of("inbound-rtp"),
        remoteInbound: of("remote-inbound-rtp"),
        pair,
        local: pair && byId(pair.localCandidateId),
        codec: byId(of("inbound-rtp")?.codecId),
      };
    });
  const connected = () => ends.every((end) => end.connectionState === "connected");
  for (let waited = 0; !connected(); waited += 50) {
    if (waited > 60_000) throw new Error(`no connection: ${ends.map((end) => end.connectionState)}`);
    await sleep(50);
  }
  // As the call goes, once a second.
  const course = [];
  for (let second = 0; second < seconds; second += 1) {
    await sleep(1_000);
    course.push(await Promise.all(ends.map(look)));
  }
  await Promise.all(senders.map((sender) => sender.replaceTrack(null)));
  let last = "";
  for (let waited = 0; waited < 30_000; waited += 1_000) {
    await sleep(1_000);
    const now = JSON.stringify((await Promise.all(ends.map(look))).map(({ outbound, inbound }) => [
      outbound.packetsSent, inbound.packetsReceived, inbound.packetsLost,
    ]));
    if (now === last) break;
    last = now;
  }
  const end = await Promise.all(ends.map(look));
  ends.forEach((connection) => connection.close());
  return { course, end };
}
