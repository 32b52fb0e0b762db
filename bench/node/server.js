// Socket.IO as its documentation has it; WebSockets only, without compression.
const { Server } = require("socket.io");
const http = require("http").createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.on("echo", (text, answer) => answer(text));
});
http.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(http.address().port);
});
