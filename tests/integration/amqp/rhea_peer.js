// A CFX machine made with rhea, an AMQP 1.0 library that is not ours. One JSON object with the task comes as argument;
// what happens is told as JSON lines on standard output.
"use strict";
const rhea = require(process.argv[2]);
const fs = require("fs");
const task = JSON.parse(process.argv[3]);
const say = (event, more) => console.log(JSON.stringify(Object.assign({ event }, more)));

const container = rhea.create_container({ id: task.container });
const options = { host: "127.0.0.1", port: task.port, reconnect: false };
if (task.user !== undefined) Object.assign(options, { username: task.user, password: task.password });
if (task.ca !== undefined) Object.assign(options, { transport: "tls", ca: [fs.readFileSync(task.ca)], servername: "localhost" });
if (task.cert !== undefined) {
  Object.assign(options, { cert: fs.readFileSync(task.cert), key: fs.readFileSync(task.key), enable_sasl_external: true });
}
if (task.skip_sasl) options.sasl_disabled = true;

let settled = 0;
let sent = 0;
const send = (sender) => {
  while (sent < task.messages.length && sender.sendable()) {
    const message = Object.assign({ durable: true }, task.messages[sent]);
    const body = Buffer.from(message.body, "base64");
    message.body = message.as_value ? body.toString() : rhea.message.data_section(body);
    delete message.as_value;
    sender.send(message);
    sent += 1;
  }
};
const done = () => {
  settled += 1;
  if (settled === task.messages.length && !task.reply) container.emit("finished");
};

container.on("connection_open", () => say("open"));
container.on("sendable", (context) => send(context.sender));
for (const outcome of ["accepted", "rejected", "released", "modified"]) {
  container.on(outcome, () => {
    say(outcome);
    done();
  });
}
container.on("message", (context) => {
  const body = context.message.body;
  say("message", {
    body: Buffer.from(body.content || body).toString("base64"),
    typecode: body.typecode,
    correlation_id: context.message.correlation_id,
    to: context.message.to,
    content_encoding: context.message.content_encoding,
  });
  container.emit("finished");
});
const failed = (error) => say("error", { condition: error && error.condition, description: String(error && error.description || error) });
container.on("connection_error", (context) => failed(context.connection.error));
container.on("connection_close", () => say("closed"));
container.on("disconnected", (context) => {
  if (context.error) failed(context.error);
  process.exit(0);
});
container.on("error", failed);

const connection = container.connect(options);
container.on("finished", () => connection.close());
const open_sender = () => connection.open_sender({ name: task.link || task.address, target: { address: task.address } });
if (task.reply) {
  // As the SDK does for every request: receive first, then send.
  connection.open_receiver({
    name: "request-receiver",
    source: { address: task.address },
    target: { address: task.reply },
    credit_window: 300,
  });
  container.once("receiver_open", open_sender);
} else if (task.messages.length) {
  open_sender();
}
