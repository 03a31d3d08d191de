// SPDX-License-Identifier: Apache-2.0
import Foundation
import ZeroMQ

// MARK: Fetches

extension BlobServerHandler {
    mutating func fetch(_ request: FetchQueue.Request, _ context: inout LoopContext) {
        guard request.length <= options.limits.chunkBytes else {
            return refuse(
                request.peer, request.id, .invalid,
                "a piece of \(request.length) bytes was asked for; at most \(options.limits.chunkBytes) are sent", &context)
        }
        guard fetches.add(request) else {
            return refuse(request.peer, request.id, .tooMany, "more open fetches than the welcome allows", &context)
        }
        pumpFetches(&context)
    }

    mutating func pumpFetches(_ context: inout LoopContext) {
        while reading < Self.concurrentReads, let request = fetches.next(now: context.now) {
            if parked[request.digest] != nil {
                parked[request.digest]?.append(request)
            } else if !disk.store.contains(request.digest) {
                answer(request, .error(.notFound, "blob \(request.digest.short) is not here"), &context)
            } else if disk.store.isVerified(request.digest) {
                reading += 1
                disk.read(request)
            } else {
                parked[request.digest] = [request]
                disk.check(request.digest)
            }
        }
    }

    mutating func hasChecked(_ digest: BlobDigest, _ failure: BlobError?, _ context: inout LoopContext) {
        for request in (parked.removeValue(forKey: digest) ?? []).reversed() {
            if let failure {
                answer(request, .error(BlobFault(failure), failure.message), &context)
            } else {
                fetches.putBack(request)
            }
        }
        pumpFetches(&context)
    }

    mutating func hasRead(_ request: FetchQueue.Request, _ result: Result<(Data, Int64), BlobError>, _ context: inout LoopContext) {
        reading -= 1
        switch result {
        case .success((let data, let size)):
            answer(request, .chunk(request.digest, offset: request.offset, size: size, data), &context)
        case .failure(let error):
            if error.code == .invalid { strike(request.peer, error.message) }
            answer(request, .error(BlobFault(error), error.message), &context)
        }
        pumpFetches(&context)
    }

    private mutating func answer(_ request: FetchQueue.Request, _ reply: BlobReply, _ context: inout LoopContext) {
        guard fetches.isOpen(request) else { return }
        switch send(reply, request.id, to: request.peer, &context) {
        case nil:
            fetches.finish(request)
            if case .chunk(_, _, _, let data) = reply { status.sentBytes += Int64(data.count) }
        case .wouldBlock?:
            // It asks faster than it takes. What was read is read again later instead of being kept.
            fetches.putBack(request, until: context.now + .milliseconds(20))
        default: fetches.finish(request)
        }
    }
}

// MARK: Puts

extension BlobServerHandler {
    mutating func put(_ party: PutTable.Party, _ digest: BlobDigest, size: Int64, _ context: inout LoopContext) {
        guard size <= options.limits.blobBytes else {
            return reply(
                .error(.tooBig, "a blob of \(size) bytes is larger than the \(options.limits.blobBytes) that are taken"), party.id,
                to: party.peer, &context)
        }
        guard puts.count(of: party.peer) < options.limits.puts else {
            return refuse(party.peer, party.id, .tooMany, "more open puts than the welcome allows", &context)
        }
        switch puts.add(party, digest, size: size, now: context.now) {
        case nil: refuse(party.peer, party.id, .invalid, "this put does not agree with another one of the same blob or number", &context)
        case true?:
            // Whoever sends it may be gone without our knowing; then this finds out.
            if let holder = puts[digest]?.holder { send(.wait, holder.id, to: holder.peer, &context) }
        case false?: break
        }
        pumpPuts(&context)
    }

    mutating func pumpPuts(_ context: inout LoopContext) {
        while let put = puts.begin() { disk.prepare(put.digest, size: put.size) }
        for party in puts.stalled(now: context.now, timeout: options.stallTimeout) {
            reply(.error(.internal, "the next piece did not arrive in time"), party.id, to: party.peer, &context)
            leave(party, &context)
        }
        while let (party, digest, pull) = puts.nextPull() {
            let failure = send(.pull(offset: pull.offset, length: pull.length), party.id, to: party.peer, &context)
            if failure == nil { continue }
            // A peer that is gone has been forgotten by now; one that is slow is asked again later.
            puts.takeBack(pull, digest)
            if failure == .wouldBlock { return }
        }
    }

    mutating func leave(_ party: PutTable.Party, _ context: inout LoopContext) {
        if let writer = puts.leave(party, now: context.now) { disk.abandon(writer) }
    }

    mutating func hasPrepared(_ digest: BlobDigest, _ prepared: BlobServerDisk.Prepared, _ context: inout LoopContext) {
        guard puts[digest]?.phase == .preparing else {
            if case .writer(let writer) = prepared { disk.abandon(writer) }
            return
        }
        switch prepared {
        case .alreadyThere: end(digest, .putDone(digest, alreadyThere: true), &context)
        case .busy: puts.postpone(digest)
        case .failed(let error): end(digest, .error(BlobFault(error), error.message), &context)
        case .writer(let writer):
            puts.receive(digest, with: writer, now: context.now)
            finishIfComplete(digest)
            pumpPuts(&context)
        }
    }

    mutating func receive(_ data: Data, at offset: Int64, from party: PutTable.Party, _ context: inout LoopContext) {
        // Pieces of a put that has ended are on their way still; they are no offence.
        guard let digest = puts.digest(party), let put = puts[digest], put.holder == party, let writer = put.writer else { return }
        guard puts.arrived(digest, offset: offset, length: data.count, now: context.now) else {
            refuse(party.peer, party.id, .invalid, "a piece at \(offset) of \(data.count) bytes was not asked for", &context)
            return leave(party, &context)
        }
        status.receivedBytes += Int64(data.count)
        disk.write(data, to: writer)
    }

    mutating func hasWritten(_ count: Int, to writer: BlobWriter, _ failure: BlobError?, _ context: inout LoopContext) {
        guard puts[writer.digest]?.writer === writer else { return }
        puts.wrote(writer.digest, length: count)
        if let failure {
            disk.abandon(writer)
            return end(writer.digest, .error(BlobFault(failure), failure.message), &context)
        }
        finishIfComplete(writer.digest)
        pumpPuts(&context)
    }

    private mutating func finishIfComplete(_ digest: BlobDigest) {
        guard let put = puts[digest], put.isComplete, let writer = put.writer else { return }
        puts.beginFinishing(digest)
        disk.finish(writer)
    }

    mutating func hasFinished(_ writer: BlobWriter, _ failure: BlobError?, _ context: inout LoopContext) {
        guard puts[writer.digest]?.writer === writer else { return }
        if let failure {
            if failure.code == .wrongBytes { strike(puts[writer.digest].map(\.holder.peer) ?? PeerID(bytes: Data()), failure.message) }
            return end(writer.digest, .error(BlobFault(failure), failure.message), &context)
        }
        end(writer.digest, .putDone(writer.digest, alreadyThere: false), &context)
    }

    private mutating func end(_ digest: BlobDigest, _ answer: BlobReply, _ context: inout LoopContext) {
        guard let put = puts.remove(digest) else { return }
        for party in [put.holder] + put.waiters { reply(answer, party.id, to: party.peer, &context) }
        pumpPuts(&context)
    }
}
