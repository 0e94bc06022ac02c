// An oven with a server of node-opcua's. Told what to do by lines of JSON on its standard input; answers with lines that begin with `peer`, for the library writes there too.
"use strict";
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const { OPCUAServer } = require("node-opcua-server");
const { StatusCodes } = require("node-opcua-status-code");
const { DataType, Variant, VariantArrayType } = require("node-opcua-variant");

const [folder, certificateFile, privateKeyFile] = process.argv.slice(2);
const nodes = {};

function tell(line) { process.stdout.write("peer " + JSON.stringify(line) + "\n"); }

async function main() {
  const serverCertificateManager = new OPCUACertificateManager({ rootFolder: path.join(folder, "pki"), automaticallyAcceptUnknownCertificate: false });
  const userCertificateManager = new OPCUACertificateManager({ rootFolder: path.join(folder, "users"), automaticallyAcceptUnknownCertificate: false });
  await serverCertificateManager.initialize();
  await userCertificateManager.initialize();
  const server = new OPCUAServer({
    host: "127.0.0.1", port: 0, hostname: "oven.invalid", // as a machine behind a router, of which nobody knows the name
    serverCertificateManager, userCertificateManager, ...(certificateFile ? { certificateFile, privateKeyFile } : {}),
    serverInfo: { applicationUri: "urn:oven" },
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    userManager: { isValidUser: (user, password) => user === "line" && password === "secret" },
    allowAnonymous: true,
    serverCapabilities: { operationLimits: { maxMonitoredItemsPerCall: 3, maxNodesPerRead: 5 } },
    maxSessions: 20,
    capabilitiesForMDNS: ["NA"], registerServerMethod: 1,
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  space.installAlarmsAndConditionsService();
  const own = space.registerNamespace("http://acme.example/oven");
  const oven = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Oven", nodeId: "s=Oven", eventSourceOf: space.rootFolder.objects.server });
  const kinds = { State: ["Int32", 1], Pressure: ["Double", 2.0], Count: ["UInt16", 7], Recipe: ["String", "P-0"], Word: ["UInt16", 0], Heat: ["Double", 20.0] };
  for (const [name, [dataType, value]] of Object.entries(kinds)) {
    nodes[name] = own.addVariable({ componentOf: oven, browseName: name, nodeId: `s=${name}`, dataType, value: { dataType: DataType[dataType], value }, minimumSamplingInterval: 0 });
  }
  nodes.Zones = own.addVariable({ componentOf: oven, browseName: "Zones", nodeId: "s=Zones", dataType: "Float", valueRank: 1, arrayDimensions: [3],
    value: { dataType: DataType.Float, arrayType: VariantArrayType.Array, value: new Float32Array([150, 160, 170]) } });
  own.addVariable({ componentOf: oven, browseName: "Hidden", nodeId: "s=Hidden", dataType: "Double", accessLevel: "", userAccessLevel: "", value: { dataType: DataType.Double, value: 1 } });
  space.installHistoricalDataNode(nodes.Count, { maxOnlineValues: 5000 });
  const tested = own.addEventType({ browseName: "BoardTested", nodeId: "s=BoardTested", subtypeOf: "BaseEventType" });
  own.addVariable({ propertyOf: tested, browseName: "BoardId", dataType: "String", modellingRule: "Mandatory" });
  own.addVariable({ propertyOf: tested, browseName: "Good", dataType: "Boolean", modellingRule: "Mandatory" });
  own.addVariable({ propertyOf: tested, browseName: "Names", dataType: "String", valueRank: 1, modellingRule: "Mandatory" });
  own.addVariable({ propertyOf: tested, browseName: "Values", dataType: "Double", valueRank: 1, modellingRule: "Mandatory" });
  own.instantiateExclusiveLimitAlarm("ExclusiveLimitAlarmType", { componentOf: oven, conditionSource: oven, browseName: "TooHot", conditionName: "TooHot", inputNode: nodes.Heat, highLimit: 100, highHighLimit: 200, lowLimit: -100, lowLowLimit: -200 });
  await server.start();
  tell({ port: server.endpoints[0].port, sessions: 0, namespace: own.index });
  const say = {
    async write(name, values, every = 2) {
      for (const value of values) {
        const dataType = nodes[name].readValue().value.dataType;
        nodes[name].setValueFromSource(new Variant({ dataType, value }), StatusCodes.Good, new Date());
        await new Promise((done) => setTimeout(done, every)); // it looks every 50 ms at the most
      }
      return {};
    },
    bad(name) { nodes[name].setValueFromSource(new Variant({ dataType: DataType.Double, value: 0 }), StatusCodes.BadSensorFailure, new Date()); return {}; },
    test(board, good, names = [], values = []) {
      oven.raiseEvent(tested, {
        boardId: { dataType: "String", value: board }, good: { dataType: "Boolean", value: good }, message: { dataType: "LocalizedText", value: { text: board } },
        names: { dataType: "String", arrayType: "Array", value: names }, values: { dataType: "Double", arrayType: "Array", value: Float64Array.from(values) },
      });
      return {};
    },
    sessions() { return { sessions: server.currentSessionCount, subscriptions: server.currentSubscriptionCount }; },
    end() { for (const session of Object.values(server.engine._sessions)) { server.engine.closeSession(session.authenticationToken, true, "Terminated"); } return {}; },
    async know(file) { await userCertificateManager.trustCertificate(fs.readFileSync(file)); return {}; },
    async trust(file) { await serverCertificateManager.trustCertificate(fs.readFileSync(file)); return {}; },
  };
  const lines = readline.createInterface({ input: process.stdin });
  for await (const line of lines) {
    const [name, ...more] = JSON.parse(line);
    try { tell(await say[name](...more)); } catch (error) { tell({ error: String(error.stack) }); }
  }
  await server.shutdown(10);
  process.exit(0);
}
main().catch((error) => { console.error(error); process.exit(1); });
