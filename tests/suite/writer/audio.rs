//! Audio clips: those written by tbx and by other programs are read back.

use tbx::{Audio, Clip, Kind, LoadOptions, Run, SummaryWriter, pb};

use super::{fixed, noise, run, steps, values};
use crate::common::{load, repository};

/// Writes a run with each option of [`tbx::WriterOptions::v2`].
fn both(write: impl Fn(&SummaryWriter)) -> [Run; 2] {
    [false, true].map(|v2| {
        let dir = tempfile::tempdir().unwrap();
        let writer = fixed().v2(v2).create(dir.path()).unwrap();
        write(&writer);
        writer.close().unwrap();
        run(dir.path())
    })
}

/// The values of the series `tag`, one per step.
fn audio(run: &Run, tag: &str) -> Vec<Audio> {
    let series = run.get(tag).unwrap();
    assert_eq!((series.kind(), series.metadata().plugin.as_str()), (Kind::Audio, "audio"));
    series.raw().unwrap().iter().map(|value| Audio::read(value).unwrap()).collect()
}

/// The run `name` in a directory with logs of another program.
fn fixture(folder: &str, name: &str) -> Run {
    let loaded = load(&repository("fixtures").join(folder), &LoadOptions::new());
    loaded.runs.into_iter().find(|run| run.name == name).unwrap()
}

fn sine(frames: u32) -> Vec<f32> {
    (0..frames).map(|i| (f64::from(i) / 3.0).sin() as f32).collect()
}

#[test]
fn clips_are_read_back_to_the_sample() {
    let random: Vec<i16> = (0..3000).map(|i| noise(i).to_le_bytes()).map(low).collect();
    let clips = [
        Clip::mono(&sine(500), 8000).unwrap(),
        Clip::interleaved(&random, 2, 44_100).unwrap(),
        Clip::interleaved(&random, 6, 192_000).unwrap(),
        Clip::mono(&[i16::MIN], 1).unwrap(),
        Clip::interleaved(&random[..8], 8, u32::MAX / 16).unwrap(),
    ];
    let runs = both(|writer| {
        for (clip, step) in clips.iter().zip(0..) {
            writer.add_audio("one", clip, step).unwrap();
        }
        writer.add_audios("all", &clips, 7).unwrap();
    });
    for run in runs {
        let one: Vec<_> = audio(&run, "one").iter().map(|a| a.decode().unwrap()).collect();
        assert_eq!(one, clips.each_ref().map(|clip| vec![clip.clone()]));
        assert_eq!(
            (audio(&run, "all")[0].decode().unwrap(), steps(&run, "all")),
            (clips.to_vec(), vec![7])
        );
        assert!(audio(&run, "all").iter().all(|audio| audio.declared.is_none()));
    }
}

fn low(bytes: [u8; 8]) -> i16 {
    i16::from_le_bytes([bytes[0], bytes[1]])
}

/// The form is that of TensorFlow 2, byte for byte, except for the display name, which only
/// TensorFlow sets.
#[test]
fn a_clip_has_the_form_that_tensorflow_2_gives_it() {
    let tone = Clip::mono(&sine(50), 8000).unwrap();
    let stereo = sine(50).into_iter().flat_map(|sample| [sample; 2]).collect::<Vec<_>>();
    let stereo = Clip::interleaved(&stereo, 2, 8000).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    writer.add_audio("tone", &tone, 0).unwrap();
    writer.add_audios("stereo", &[stereo.clone(), stereo], 0).unwrap();
    writer.close().unwrap();

    let file = std::fs::read_dir(repository("fixtures/tf2/media")).unwrap().next().unwrap();
    let theirs = values(&file.unwrap().path());
    for ours in values(writer.path().unwrap()) {
        let theirs = theirs.iter().find(|value| value.tag == ours.tag).unwrap();
        let content = |value: &pb::summary::Value| {
            let mut metadata = value.metadata.clone().unwrap();
            metadata.display_name.clear();
            (metadata, value.value.clone())
        };
        assert!(content(&ours) == content(theirs), "{}", ours.tag);
    }
}

#[test]
fn clips_of_other_programs_are_read() {
    let clip = |samples: &[f32]| Clip::mono(samples, 8000).unwrap();
    for audio in audio(&fixture("tf2", "media"), "tone") {
        assert_eq!(audio.declared, None);
        assert_eq!(audio.decode().unwrap(), [clip(&sine(50))]);
    }
    for audio in audio(&fixture("tf2", "media"), "stereo") {
        let clips = audio.decode().unwrap();
        assert_eq!(clips.len(), 2);
        assert!(clips.iter().all(|clip| (clip.channels(), clip.frames()) == (2, 50)));
    }
    let declared = |audio: &Audio| {
        let declared = audio.declared.clone().unwrap();
        assert_eq!(declared.content_type, "audio/wav");
        (declared.sample_rate, declared.channels, declared.frames)
    };
    for audio in audio(&fixture("torch", "media"), "tone") {
        assert_eq!(declared(&audio), (8000.0, 1, 40));
        // PyTorch multiplies by 32767 and rounds towards 0.
        let expected: Vec<_> = sine(40).iter().map(|sample| (sample * 32_767.0) as i16).collect();
        assert_eq!(audio.decode().unwrap(), [Clip::mono(&expected, 8000).unwrap()]);
    }
    for audio in audio(&fixture("tf1", "train"), "sound/audio") {
        assert_eq!(declared(&audio), (8000.0, 1, 20));
        let clips = audio.decode().unwrap();
        assert_eq!((clips.len(), clips[0].frames(), clips[0].sample_rate()), (1, 20, 8000));
    }
    // This is not a WAV file, but it has a label.
    let odd = &audio(&fixture("odd", "every_plugin"), "audio")[0];
    assert_eq!(odd.encoded, [&b"RIFF"[..]]);
    assert!(odd.decode().is_err());
}

#[test]
fn a_step_of_no_clips_fails_at_the_call_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let writer = fixed().create(dir.path()).unwrap();
    let error = writer.add_audios("bad", &[], 7).unwrap_err();
    assert_eq!(error.to_string(), "tag \"bad\", step 7: a step without clips");
    writer.close().unwrap();
    assert_eq!(run(dir.path()).files[0].events, 1);
}
