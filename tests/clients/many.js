// Many calls at once over TLS: node many.js PORT CONNECTIONS CALLS. Says of each connection which local port it had and which
// calls it made; fails when a call does.
const https = require("node:https");
const [port, connections, calls] = process.argv.slice(2).map(Number);

const call = (agent, name) =>
  new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: `/items?n=${name}`, agent, rejectUnauthorized: false };
    const request = https.get(options, (response) => {
      const local = response.socket.localPort;
      response.resume();
      response.on("end", () => (response.statusCode === 200 ? resolve(local) : reject(response.statusCode)));
    });
    request.on("error", reject);
  });

const talk = async (number) => {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const told = { port: 0, calls: [] };
  for (let n = 0; n < calls; n += 1) {
    told.port = await call(agent, `${number}.${n}`);
    told.calls.push(`${number}.${n}`);
  }
  agent.destroy();
  return told;
};

Promise.all([...Array(connections).keys()].map(talk)).then(
  (told) => console.log(JSON.stringify(told)),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
