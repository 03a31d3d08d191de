// SPDX-License-Identifier: Apache-2.0
package import Foundation
import SwiftProtobuf
import WireMessages

/// Between blob messages and the frames of a ZeroMQ message: `PWB2`, a protobuf header, and for pieces their bytes.
///
/// The bytes are a frame of their own, so that nothing copies them through protobuf.
package enum BlobCodec {
    // MARK: Writing

    package static func encode(_ request: BlobRequest, id: UInt64) -> [Data] {
        switch request {
        case .hello(let major, let minor, let program):
            var hello = WireBlobHello()
            (hello.protocolMajor, hello.protocolMinor) = (major, minor)
            hello.program = WireText.clipped(program, limit: BlobLimits.programBytes)
            return frames(.hello(hello), id)
        case .stat(let digest):
            var stat = WireBlobStat()
            stat.digest = digest.bytes
            return frames(.stat(stat), id)
        case .fetch(let digest, let offset, let length):
            var fetch = WireBlobFetch()
            fetch.digest = digest.bytes
            (fetch.offset, fetch.length) = (UInt64(offset), UInt32(length))
            return frames(.fetch(fetch), id)
        case .put(let digest, let size):
            var put = WireBlobPut()
            put.digest = digest.bytes
            put.size = UInt64(size)
            return frames(.put(put), id)
        case .putData(let offset, let data):
            var piece = WireBlobPutData()
            piece.offset = UInt64(offset)
            return frames(.putData(piece), id) + [data]
        case .putAbort: return frames(.putAbort(WireBlobPutAbort()), id)
        }
    }

    package static func encode(_ reply: BlobReply, id: UInt64) -> [Data] {
        switch reply {
        case .welcome(let welcome): return frames(.welcome(welcome.wire), id)
        case .stat(let digest, let size):
            var stat = WireBlobStatReply()
            stat.digest = digest.bytes
            stat.present = size != nil
            stat.size = UInt64(size ?? 0)
            return frames(.statReply(stat), id)
        case .chunk(let digest, let offset, let size, let data):
            var chunk = WireBlobChunk()
            chunk.digest = digest.bytes
            (chunk.offset, chunk.size) = (UInt64(offset), UInt64(size))
            return frames(.chunk(chunk), id) + [data]
        case .pull(let offset, let length):
            var pull = WireBlobPull()
            (pull.offset, pull.length) = (UInt64(offset), UInt32(length))
            return frames(.pull(pull), id)
        case .putDone(let digest, let alreadyThere):
            var done = WireBlobPutDone()
            done.digest = digest.bytes
            done.alreadyThere = alreadyThere
            return frames(.putDone(done), id)
        case .wait: return frames(.wait(WireBlobWait()), id)
        case .error(let fault, let message):
            var error = WireBlobError()
            error.code = WireBlobErrorCode(rawValue: fault.rawValue) ?? .internal
            error.message = WireText.clipped(message, limit: BlobLimits.textBytes)
            return frames(.error(error), id)
        }
    }

    private static func frames(_ payload: WireBlobMessage.OneOf_Payload, _ id: UInt64) -> [Data] {
        var message = WireBlobMessage()
        message.requestID = id
        message.payload = payload
        // Only missing required fields could make this fail, and proto3 has none.
        let header: Data = (try? message.serializedData()) ?? Data()
        return [Data(BlobLimits.magic), header]
    }

    // MARK: Reading

    /// Reads and checks what arrived at a server.
    ///
    /// Everything that it returns obeys the rules of the protocol. No input makes it crash or take more memory than it has bytes.
    package static func decodeRequest(_ frames: [Data]) throws(BlobMessageError) -> (id: UInt64, request: BlobRequest) {
        let message = try header(frames)
        let id = message.requestID
        let check = BlobChecks(requestID: id)
        try check.require(id != 0, "request_id is 0")
        let request: BlobRequest
        switch message.payload {
        case .hello(let hello)?:
            try check.require(hello.protocolMajor > 0, "protocol_major is 0")
            // A hello of another major is only read to be refused; its other fields may mean something else.
            let isOurs = hello.protocolMajor == BlobLimits.version.major
            if isOurs { try check.text(hello.program, "program", BlobLimits.programBytes) }
            request = .hello(major: hello.protocolMajor, minor: hello.protocolMinor, program: isOurs ? hello.program : "")
        case .stat(let stat)?: request = .stat(try check.digest(stat.digest))
        case .fetch(let fetch)?:
            let length = try check.length(fetch.length)
            request = .fetch(try check.digest(fetch.digest), offset: try check.offset(fetch.offset, "offset"), length: length)
        case .put(let put)?: request = .put(try check.digest(put.digest), size: try check.offset(put.size, "size"))
        case .putData(let piece)?: request = .putData(offset: try check.offset(piece.offset, "offset"), try check.payload(frames))
        case .putAbort?: request = .putAbort
        default: throw check.failure("a server takes no such message")
        }
        if case .putData = request {} else { try check.noPayload(frames) }
        return (id, request)
    }

    /// Reads and checks what arrived at a client.
    package static func decodeReply(_ frames: [Data]) throws(BlobMessageError) -> (id: UInt64, reply: BlobReply) {
        let message = try header(frames)
        let check = BlobChecks(requestID: message.requestID)
        let reply: BlobReply
        switch message.payload {
        case .welcome(let welcome)?: reply = .welcome(try BlobWelcome(welcome, check))
        case .statReply(let stat)?:
            reply = .stat(try check.digest(stat.digest), size: stat.present ? try check.offset(stat.size, "size") : nil)
        case .chunk(let chunk)?:
            let (offset, size) = (try check.offset(chunk.offset, "offset"), try check.offset(chunk.size, "size"))
            let data = try check.payload(frames)
            try check.require(offset <= size && Int64(data.count) <= size - offset, "a piece reaches beyond the end of its blob")
            reply = .chunk(try check.digest(chunk.digest), offset: offset, size: size, data)
        case .pull(let pull)?: reply = .pull(offset: try check.offset(pull.offset, "offset"), length: try check.length(pull.length))
        case .putDone(let done)?: reply = .putDone(try check.digest(done.digest), alreadyThere: done.alreadyThere)
        case .wait?: reply = .wait
        case .error(let error)?:
            try check.text(error.message, "message", BlobLimits.textBytes)
            // A newer server may have codes that we do not know; its text still tells.
            reply = .error(BlobFault(rawValue: error.code.rawValue) ?? .internal, error.message)
        default: throw check.failure("a client takes no such message")
        }
        if case .chunk = reply {} else { try check.noPayload(frames) }
        return (message.requestID, reply)
    }

    private static func header(_ frames: [Data]) throws(BlobMessageError) -> WireBlobMessage {
        guard frames.first?.elementsEqual(BlobLimits.magic) == true else {
            throw BlobMessageError(message: "a message does not begin with PWB2: the sender does not speak the blob protocol")
        }
        guard (2...BlobLimits.frames).contains(frames.count) else {
            throw BlobMessageError(message: "a message has \(frames.count) frames; expected 2 or \(BlobLimits.frames)")
        }
        guard frames[1].count <= BlobLimits.headerBytes else {
            throw BlobMessageError(message: "a header has \(frames[1].count) bytes; at most \(BlobLimits.headerBytes) are allowed")
        }
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        guard let message = try? WireBlobMessage(serializedBytes: frames[1], options: options) else {
            throw BlobMessageError(message: "a header is not valid protobuf")
        }
        return message
    }
}

/// Rules for the fields of a message.
private struct BlobChecks {
    let requestID: UInt64

    func failure(_ why: String) -> BlobMessageError { BlobMessageError(message: why, requestID: requestID) }

    func require(_ isFine: Bool, _ why: @autoclosure () -> String) throws(BlobMessageError) { if !isFine { throw failure(why()) } }

    func digest(_ bytes: Data) throws(BlobMessageError) -> BlobDigest {
        guard let digest = BlobDigest(bytes: bytes) else {
            throw failure("digest has \(bytes.count) bytes; a SHA-256 has \(BlobDigest.byteCount)")
        }
        return digest
    }

    func offset(_ value: UInt64, _ field: String) throws(BlobMessageError) -> Int64 {
        try require(value <= UInt64(BlobLimits.blobBytes), "\(field) is \(value); at most \(BlobLimits.blobBytes) is allowed")
        return Int64(value)
    }

    func length(_ value: UInt32) throws(BlobMessageError) -> Int {
        try require((1...UInt32(BlobLimits.chunkBytes)).contains(value), "length is \(value); expected 1 to \(BlobLimits.chunkBytes)")
        return Int(value)
    }

    func payload(_ frames: [Data]) throws(BlobMessageError) -> Data {
        guard frames.count == 3 else { throw failure("a piece comes without its bytes") }
        try require(
            frames[2].count <= BlobLimits.chunkBytes, "a piece has \(frames[2].count) bytes; at most \(BlobLimits.chunkBytes) are allowed")
        return frames[2]
    }

    func noPayload(_ frames: [Data]) throws(BlobMessageError) { try require(frames.count == 2, "a message has a frame too many") }

    func text(_ text: String, _ field: String, _ limit: Int) throws(BlobMessageError) {
        try require(text.utf8.count <= limit, "\(field) has \(text.utf8.count) bytes; at most \(limit) are allowed")
        try require(text.unicodeScalars.allSatisfy(SafePath.isPrintable), "\(field) has control characters")
    }
}

extension BlobWelcome {
    fileprivate init(_ wire: WireBlobWelcome, _ check: BlobChecks) throws(BlobMessageError) {
        self.init()
        (major, minor) = (wire.protocolMajor, wire.protocolMinor)
        try check.require(major == BlobLimits.version.major, "protocol_major is \(major); expected \(BlobLimits.version.major)")
        try check.text(wire.program, "program", BlobLimits.programBytes)
        program = wire.program
        rights = wire.canRead ? .read : []
        if wire.canWrite { rights.insert(.write) }
        chunkBytes = try check.length(wire.chunkBytes)
        try check.require(wire.windowRequests > 0 && wire.windowBytes >= UInt64(wire.chunkBytes) && wire.puts > 0, "a window is too small")
        windowRequests = Int(min(wire.windowRequests, 1024))
        windowBytes = Int(min(wire.windowBytes, 1 << 30))
        puts = Int(min(wire.puts, 1024))
        blobBytes = try check.offset(min(wire.blobBytes, UInt64(BlobLimits.blobBytes)), "blob_bytes")
    }

    fileprivate var wire: WireBlobWelcome {
        var wire = WireBlobWelcome()
        (wire.protocolMajor, wire.protocolMinor) = (major, minor)
        wire.program = WireText.clipped(program, limit: BlobLimits.programBytes)
        (wire.canRead, wire.canWrite) = (rights.contains(.read), rights.contains(.write))
        wire.chunkBytes = UInt32(chunkBytes)
        wire.windowRequests = UInt32(windowRequests)
        wire.windowBytes = UInt64(windowBytes)
        wire.puts = UInt32(puts)
        wire.blobBytes = UInt64(blobBytes)
        return wire
    }
}
