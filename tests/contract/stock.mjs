// The JavaScript SDK v3 against an emulator: one answer, one model error, one stream; prints JSON.
import {
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";

const client = new SageMakerRuntimeClient({});
const json = { ContentType: "application/json" };
const found = {};

const answer = await client.send(new InvokeEndpointCommand({ EndpointName: "echo", Body: '{"a":1}', ...json }));
found.answer = new TextDecoder().decode(answer.Body);
found.contentType = answer.ContentType;
found.variant = answer.InvokedProductionVariant;
found.requestId = answer.$metadata.requestId;

try {
  await client.send(new InvokeEndpointCommand({ EndpointName: "fails", Body: "400 no such column", ...json }));
} catch (error) {
  found.error = [error.name, error.$metadata.httpStatusCode, error.OriginalStatusCode, error.OriginalMessage];
}

const stream = await client.send(
  new InvokeEndpointWithResponseStreamCommand({ EndpointName: "talks", Body: "{}", ...json }),
);
found.parts = [];
for await (const event of stream.Body) found.parts.push(new TextDecoder().decode(event.PayloadPart.Bytes));

try {
  const broken = await client.send(
    new InvokeEndpointWithResponseStreamCommand({ EndpointName: "breaks", Body: "{}", ...json }),
  );
  for await (const event of broken.Body) void event;
} catch (error) {
  found.broken = [error.name, error.ErrorCode];
}
console.log(JSON.stringify(found));
client.destroy(); // the body of the broken stream was not read to its end: its connection would keep Node alive
