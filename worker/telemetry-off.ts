/**
 * ONNX Runtime sends telemetry and writes files from 1.29 on unless this is set before its library loads.
 * It must be set in the main thread: a worker thread has a copy of the environment that the library never sees.
 * Imported first by every module that loads ONNX Runtime.
 */
process.env.ORT_DISABLE_TELEMETRY = '1'
