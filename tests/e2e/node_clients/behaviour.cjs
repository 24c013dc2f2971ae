// What applications do with node-postgres, through the port and under the application name that are given.
const { Client, Pool } = require("pg");
const Cursor = require("pg-cursor");
const QueryStream = require("pg-query-stream");

const [port, name] = process.argv.slice(2);
const place = { host: "127.0.0.1", port: Number(port), user: "x", database: "postgres", application_name: name };

async function fails(promise) {
  try {
    await promise;
  } catch (error) {
    return error.code;
  }
  throw new Error("it should have failed");
}

async function one() {
  const client = new Client(place);
  await client.connect();
  await client.query("create temporary table n (id int, x text, j json)");
  for (let i = 0; i < 20; ++i) {
    await client.query({ name: "insert", text: "insert into n values ($1, $2, $3)", values: [i, i % 3 ? `it's ${i}` : null, { i }] });
  }
  await client.query("select 1; select 2; insert into n (id) values (99)");
  await client.query("select $1::int + $2::int", [1, 2]);
  if ((await fails(client.query("select 1/$1::int", [0]))) !== "22012") throw new Error("another error");
  if ((await fails(client.query("selekt"))) !== "42601") throw new Error("another error");
  if ((await fails(client.query("select $1::int", ["x"]))) !== "22P02") throw new Error("another error");
  await client.query("begin");
  const cursor = client.query(new Cursor("select generate_series(1, $1::int) n", [25]));
  for (let rows = await cursor.read(10); rows.length; rows = await cursor.read(10));
  await cursor.close();
  let streamed = 0;
  for await (const row of client.query(new QueryStream("select * from generate_series(1, $1::int) n", [250], { batchSize: 100 }))) streamed += row.n;
  if (streamed !== 31375) throw new Error(`streamed ${streamed}`);
  await client.query("commit");
  await client.query("listen here");
  const heard = new Promise((resolve) => client.once("notification", (note) => resolve(note.payload)));
  await client.query("select pg_notify('here', $1)", ["hello"]);
  if ((await heard) !== "hello") throw new Error("nothing heard");
  await client.end();
}

async function many() {
  const pool = new Pool({ ...place, max: 3 });
  const held = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
  held.forEach((client) => client.release());
  await Promise.all(Array.from({ length: 100 }, (_, i) => pool.query("select $1::int as i", [i])));
  await pool.end();
}

one().then(many).catch((error) => {
  console.error(error);
  process.exit(1);
});
