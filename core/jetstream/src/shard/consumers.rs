//! Applying consumers' commands.

use std::sync::Arc;

use forebay_api::consumer::ConsumerConfig;
use forebay_api::error::ApiError;
use forebay_api::level::stamp_consumer;
use forebay_api::stream::Retention;
use forebay_api::time::Time;

use super::Shard;
use super::timer::Timed;
use crate::command::{CodecError, CommandError, ConsumerAction, ConsumerCommand, Progress, number};
use crate::consumer::status::StatusKind;
use crate::consumer::validate::update::{check_consumer_update, is_same_consumer};
use crate::consumer::validate::{check_fits_stream, check_new_consumer, check_unique_filters};
use crate::consumer::{Consumer, ConsumerFacts};
use crate::effect::{ApiOk, Applied, Effects, Lifecycle};
use crate::id::{ConsumerKey, ConsumerUid, StreamUid};
use crate::record::Record;
use crate::stream::Stream;
use crate::stream::validate::Limits;

impl Shard {
    pub(super) fn apply_consumer(
        &mut self,
        record: &Record<'_>,
        at: Applied,
        fx: &mut Effects,
    ) -> Result<(), CommandError> {
        let command = ConsumerCommand::decode(record.number, record.payload)?;
        let uid = StreamUid(record.uid);
        let Some(stream) = self.streams.get_mut(&uid.0) else {
            fx.reply(at.waiter, Err(ApiError::stream_not_found()));
            return Ok(());
        };
        stream.now = record.time;
        match command {
            ConsumerCommand::Create { name, config, action } => {
                let config: ConsumerConfig = match serde_json::from_slice(&config) {
                    Ok(config) => config,
                    Err(error) => {
                        fx.reply(at.waiter, Err(ApiError::consumer_create(error)));
                        let (number, source) = (number::CONSUMER_CREATE, CodecError::Text);
                        return Err(CommandError::Body { number, source });
                    }
                };
                let made = self.apply_consumer_create(uid, &name, config, action, record.time, fx);
                fx.reply(at.waiter, made);
            }
            ConsumerCommand::Pause { consumer, until } => {
                let done = self.apply_consumer_pause(uid, consumer, until, record.time, fx);
                fx.reply(at.waiter, done);
            }
            ConsumerCommand::Delete { consumer } => {
                let done = self.apply_consumer_delete(uid, consumer, fx);
                fx.reply(at.waiter, done);
            }
            ConsumerCommand::Delivered { consumer, progress, marks } => {
                stream.apply_delivered(consumer, &progress, &marks, fx);
            }
            ConsumerCommand::Acks { consumer, progress, runs } => {
                if let Some(consumer) = stream.consumers.get_mut(&consumer.0) {
                    consumer.state.apply_acked(&runs);
                    consumer.state.apply_progress(&progress);
                    stream.apply_acked(&runs, fx);
                }
            }
            ConsumerCommand::Settled { consumer, progress, reason, runs } => {
                if let Some(consumer) = stream.consumers.get_mut(&consumer.0) {
                    consumer.state.apply_settled(reason, &runs);
                    consumer.state.apply_progress(&progress);
                }
            }
        }
        Ok(())
    }

    fn apply_consumer_create(
        &mut self,
        uid: StreamUid,
        name: &str,
        config: ConsumerConfig,
        action: ConsumerAction,
        now: i64,
        fx: &mut Effects,
    ) -> Result<ApiOk, ApiError> {
        let stream = self.streams.get_mut(&uid.0).ok_or_else(ApiError::stream_not_found)?;
        let existing = stream.by_name.get(name).copied().map(ConsumerUid);
        let consumer = match existing {
            Some(consumer) => {
                stream.update_consumer(consumer, config, action, now, fx)?;
                consumer
            }
            None => {
                if action == ConsumerAction::Update {
                    return Err(ApiError::consumer_does_not_exist());
                }
                // Limits of the account are admission, before the log; here only what the shard's state decides.
                check_fits_stream(&config, &stream.config)?;
                check_new_consumer(&config, &stream.config, &Limits::default(), stream.configs())?;
                let consumer = ConsumerUid(self.next_consumer);
                self.next_consumer += 1;
                stream.create_consumer(consumer, name, config, now, self.leads, fx);
                consumer
            }
        };
        let key = ConsumerKey { stream: uid, consumer };
        self.touched(key);
        let info = self.consumer(key).map(|consumer| consumer.info(now)).unwrap_or_default();
        Ok(ApiOk::Consumer(Box::new(info)))
    }

    fn apply_consumer_pause(
        &mut self,
        uid: StreamUid,
        consumer: ConsumerUid,
        until: Option<i64>,
        now: i64,
        fx: &mut Effects,
    ) -> Result<ApiOk, ApiError> {
        let stream = self.streams.get_mut(&uid.0).ok_or_else(ApiError::stream_not_found)?;
        let paused = stream.consumers.get(&consumer.0).ok_or_else(ApiError::consumer_not_found)?;
        let mut config = (*paused.config).clone();
        config.pause_until = until.map(Time::from_unix_ns);
        stamp_consumer(&mut config);
        stream.replace_config(consumer, config, now, fx);
        let key = ConsumerKey { stream: uid, consumer };
        self.touched(key);
        let info = self.consumer(key).map(|consumer| consumer.info(now)).unwrap_or_default();
        Ok(ApiOk::Consumer(Box::new(info)))
    }

    fn apply_consumer_delete(
        &mut self,
        uid: StreamUid,
        consumer: ConsumerUid,
        fx: &mut Effects,
    ) -> Result<ApiOk, ApiError> {
        let stream = self.streams.get_mut(&uid.0).ok_or_else(ApiError::stream_not_found)?;
        let mut consumer = stream.consumers.shift_remove(&consumer.0).ok_or_else(ApiError::consumer_not_found)?;
        stream.by_name.remove(&*consumer.facts.name);
        consumer.end(|_| StatusKind::ConsumerDeleted, &mut fx.statuses);
        stream.remove_done_above(consumer.state.acked_through(), fx);
        fx.lifecycle.push(Lifecycle::ConsumerRemoved { facts: consumer.facts });
        Ok(ApiOk::Done)
    }

    pub(super) fn arm_consumer(&mut self, key: ConsumerKey) {
        let Some(stream) = self.streams.get_mut(&key.stream.0) else { return };
        let Some(consumer) = stream.consumers.get_mut(&key.consumer.0) else { return };
        if let Some(lead) = &mut consumer.lead {
            let at = lead.poll_timeout(&consumer.rules);
            self.timers.arm(Timed::Consumer(key), at, &mut lead.armed);
        }
    }
}

impl Stream {
    fn configs(&self) -> impl Iterator<Item = (&str, &ConsumerConfig)> + Clone {
        self.consumers.values().map(|consumer| (&*consumer.facts.name, &*consumer.config))
    }

    fn create_consumer(
        &mut self,
        uid: ConsumerUid,
        name: &str,
        config: ConsumerConfig,
        now: i64,
        leads: bool,
        fx: &mut Effects,
    ) {
        let key = ConsumerKey { stream: self.uid(), consumer: uid };
        let facts = Arc::new(ConsumerFacts::new(key, &self.facts, name, &config));
        let config = Arc::new(config);
        let mut consumer = Consumer::new(Arc::clone(&facts), Arc::clone(&config), &self.config, &self.index, now);
        if leads {
            consumer.lead_first(&self.index, now);
        }
        self.adopt(consumer);
        fx.lifecycle.push(Lifecycle::ConsumerCreated { facts, config });
    }

    fn update_consumer(
        &mut self,
        uid: ConsumerUid,
        mut config: ConsumerConfig,
        action: ConsumerAction,
        now: i64,
        fx: &mut Effects,
    ) -> Result<(), ApiError> {
        let consumer = self.consumers.get(&uid.0).ok_or_else(ApiError::consumer_not_found)?;
        // Only `CONSUMER.PAUSE` changes this, and it may have been called since the request was checked.
        if config.pause_until != consumer.config.pause_until {
            config.pause_until = consumer.config.pause_until;
            stamp_consumer(&mut config);
        }
        if is_same_consumer(&config, &consumer.config) {
            return Ok(());
        }
        if action == ConsumerAction::Create {
            return Err(ApiError::consumer_already_exists());
        }
        // Whether somebody listens on the deliver subject only the leader knows: that was asked before the log.
        check_consumer_update(&consumer.config, &config, false)?;
        check_fits_stream(&config, &self.config)?;
        if self.rules.retention == Retention::WorkQueue {
            check_unique_filters(&config, &consumer.facts.name, self.configs())?;
        }
        self.replace_config(uid, config, now, fx);
        Ok(())
    }

    fn replace_config(&mut self, uid: ConsumerUid, config: ConsumerConfig, now: i64, fx: &mut Effects) {
        let Some(consumer) = self.consumers.get_mut(&uid.0) else { return };
        let refiltered = !consumer.config.filters().eq(config.filters());
        let facts = Arc::new(ConsumerFacts::new(consumer.key(), &self.facts, &consumer.facts.name, &config));
        let config = Arc::new(config);
        let (of, index, advisories) = (&self.config, &self.index, &mut fx.advisories);
        if consumer.apply_update(Arc::clone(&facts), Arc::clone(&config), of, index, now, advisories) {
            fx.wake.push(consumer.key());
        }
        fx.lifecycle.push(Lifecycle::ConsumerUpdated { facts, config });
        if refiltered {
            // What the consumer no longer wants may have waited for it alone.
            self.remove_done_above(0, fx);
        }
    }

    fn apply_delivered(&mut self, uid: ConsumerUid, progress: &Progress, marks: &[(u64, u32)], fx: &mut Effects) {
        let Some(consumer) = self.consumers.get_mut(&uid.0) else { return };
        let before = consumer.state.delivered.sseq;
        consumer.state.apply_marks(marks);
        consumer.state.apply_progress(progress);
        if consumer.handle_marks_logged(marks) {
            fx.wake.push(consumer.key());
        }
        // Without acks a delivery is as good as one.
        if !consumer.rules.acks() && self.rules.waits_for_acks() && progress.delivered.sseq > before {
            self.apply_acked(&[(before + 1, progress.delivered.sseq)], fx);
        }
    }
}
