// Makes planned calls: node planned.js PORT PLAN, as planned.py has it.
const fs = require("node:fs");
const https = require("node:https");
const readline = require("node:readline");
const [port, file] = process.argv.slice(2);
const plan = JSON.parse(fs.readFileSync(file));

const call = (agent, [method, path, length]) =>
  new Promise((resolve, reject) => {
    const headers = length ? { "Content-Length": length } : {};
    const options = { host: "127.0.0.1", port, path, method, headers, agent, rejectUnauthorized: false };
    const request = https.request(options, (response) => {
      const local = response.socket.localPort;
      let received = 0;
      response.on("data", (data) => (received += data.length));
      response.on("end", () => resolve([local, response.statusCode, received]));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end("b".repeat(length));
  });

const talk = async (calls) => {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const told = [];
  for (const each of calls) told.push(await call(agent, each));
  agent.destroy();
  return told;
};

const lines = readline.createInterface({ input: process.stdin });
lines.once("line", () => {
  lines.close();
  Promise.all(plan.map(talk)).then(
    (told) => console.log(JSON.stringify(told)),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
console.log("ready");
