// SPDX-License-Identifier: Apache-2.0
import Foundation
import SwiftProtobuf
import WireMessages

/// One valid message of each kind, with every field set.
enum Samples {
    static let uuid = "6f1c2a34-0b5d-4e6f-8a9b-0c1d2e3f4a5b"
    static let digest = Data(0..<32)

    static var all: [WireKind: WireEnvelope] {
        Dictionary(uniqueKeysWithValues: WireKind.allCases.map { ($0, WireEnvelope(payload($0), requestID: 77)) })
    }

    static func payload(_ kind: WireKind) -> WireEnvelope.OneOf_Payload {
        switch kind {
        case .hello: .hello(hello)
        case .welcome: .welcome(welcome)
        case .denied: .denied(denied)
        case .heartbeat: .heartbeat(heartbeat)
        case .heartbeatReply: .heartbeatReply(WireHeartbeatReply())
        case .drain: .drain(.with { $0.reason = "maintenance" })
        case .goodbye: .goodbye(.with { $0.reason = "stopping" })
        case .grant: .grant(grant)
        case .segmentResult: .segmentResult(result)
        case .resultAck: .resultAck(.with { ($0.leaseID, $0.attempt, $0.verdict) = (5, 1, .accepted) })
        case .leaseFailed:
            .leaseFailed(.with { ($0.leaseID, $0.attempt, $0.kind, $0.message) = (5, 1, .numeric, "loss is not finite at step 12") })
        case .failureAck: .failureAck(.with { ($0.leaseID, $0.attempt) = (5, 1) })
        case .cancelLease: .cancelLease(.with { ($0.leaseID, $0.reason) = (5, "the study was cancelled") })
        case .submitStudy:
            .submitStudy(.with { ($0.yaml, $0.baseFolder, $0.sourcePath) = ("study: a\n\tb: 1\n", "/home/a", "/home/a/s.yaml") })
        case .submitReply: .submitReply(.with { ($0.outcome, $0.studyID, $0.name) = (.created, "s1", "teal-heart") })
        case .statusRequest: .statusRequest(.with { $0.study = "teal-heart" })
        case .statusReply: .statusReply(status)
        case .cancelStudy: .cancelStudy(.with { $0.name = "teal-heart" })
        case .cancelReply: .cancelReply(.with { ($0.outcome, $0.studyID, $0.name, $0.cancelledTrials) = (.cancelled, "s1", "a", 3) })
        case .errorReply: .errorReply(.with { ($0.code, $0.message) = (.notFound, "no study is called x") })
        }
    }

    static var hello: WireHello {
        .with {
            $0.protocolMajor = 1
            $0.role = .worker
            $0.workerID = uuid
            $0.name = "box-3"
            $0.host = "box-3.example.org"
            $0.pid = 4321
            $0.programVersion = "0.1.0"
            $0.cpu = "AMD EPYC 7B13, avx2"
            $0.threads = 8
            $0.memoryBytes = 32 << 30
        }
    }

    static var welcome: WireWelcome {
        .with {
            $0.version = WireVersion.current.message
            $0.programVersion = "0.1.0"
            $0.heartbeatIntervalMs = 1000
            $0.leaseTimeoutMs = 5000
            $0.session = "a1b2"
        }
    }

    static var denied: WireDenied {
        .with { ($0.code, $0.reason, $0.supported) = (.version, "no common version", [WireVersion.current.message]) }
    }

    static var heartbeat: WireHeartbeat {
        .with {
            $0.session = "a1b2"
            $0.progress.leaseID = 5
            $0.progress.attempt = 1
            $0.progress.step = 12
            $0.progress.stepsPerSecond = 0.5
            $0.progress.loss = 0.125
            $0.progress.evaluationLoss = 0.25
        }
    }

    static func state(step: UInt32, count: Int = 2, width: Int = 3) -> WireTrainingState {
        let values = (0..<count * width).map { Float($0) * 0.1 - 0.2 }
        let best = WireTrainingState.Best(vectors: values, step: min(step, 4), loss: 0.11)
        return WireTrainingState(
            count: count, width: width, step: step, embedding: values, expAvg: values, expAvgSq: values, initial: values, best: best)
    }

    static var grant: WireGrant {
        .with {
            $0.leaseID = 5
            $0.attempt = 1
            $0.studyID = "s1"
            $0.studyName = "teal-heart"
            $0.trial = 3
            $0.studyJson = "{\n}"
            $0.fromStep = 10
            $0.toStep = 12
            $0.state = state(step: 10)
            $0.deadlineMs = 5000
        }
    }

    static var result: WireSegmentResult {
        .with {
            $0.leaseID = 5
            $0.attempt = 1
            $0.studyID = "s1"
            $0.trial = 3
            $0.fromStep = 10
            $0.toStep = 12
            $0.after = state(step: 12)
            $0.history = [UInt32](11...12).map { step in
                .with { row in
                    row.step = step
                    row.loss = 0.5
                    row.learningRate = 0.005
                    row.gradientNorm = 0.1
                    row.embeddingNorm = 1.5
                    row.seconds = 0.25
                }
            }
            $0.evaluations = [.with { ($0.step, $0.loss, $0.standardError) = (12, 0.3, 0.01) }]
            ($0.digest, $0.modelDigest, $0.dataDigest) = (digest, digest, digest)
            $0.finished = true
            $0.cpu = "avx2 f32"
        }
    }

    static var status: WireStatusReply {
        .with {
            $0.coordinator = .with { ($0.programVersion, $0.uptimeSeconds, $0.endpoint) = ("0.1.0", 12.5, "tcp://127.0.0.1:7400") }
            $0.studies = [
                .with {
                    ($0.studyID, $0.name, $0.state, $0.createdMs) = ("s1", "teal-heart", .running, 1_800_000_000_000)
                    $0.trials = [
                        .with {
                            ($0.index, $0.state, $0.step, $0.totalSteps, $0.loss) = (1, .running, 5, 10, 0.5)
                            ($0.evaluationLoss, $0.bestLoss, $0.bestStep) = (0.4, 0.3, 4)
                            ($0.stepsPerSecond, $0.etaSeconds, $0.worker, $0.attempt) = (0.5, 10, "box-3", 2)
                            $0.checkpointPath = "/home/a/trial-1.h5"
                        }
                    ]
                }
            ]
            $0.workers = [
                .with {
                    ($0.workerID, $0.name, $0.host, $0.pid, $0.state) = (uuid, "box-3", "box-3", 4321, .busy)
                    ($0.leaseID, $0.trial, $0.step, $0.stepsPerSecond, $0.lastHeardSeconds) = (5, 1, 5, 0.5, 0.2)
                    ($0.threads, $0.cpu, $0.programVersion, $0.study) = (8, "avx2", "0.1.0", "teal-heart")
                }
            ]
        }
    }
}
